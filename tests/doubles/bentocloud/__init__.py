"""BentoCloud's REST API on localhost, for the real client: BentoML's own commands.

Routes, requests and answers are those of bentoml/_internal/cloud/client.py and of its schema
classes, release 1.4.39; what a server has to check of them is checked more strictly than the client
needs: unknown fields, types, tokens, and every byte of an upload.
"""
