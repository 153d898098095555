"""Stands in for BentoCloud's REST API, for BentoML's real client.

Its routes and bodies are those of bentoml/_internal/cloud/client.py, release 1.4.40. It checks
what only a server can: the token, whole uploads, and names that a deployment refers to.
"""
