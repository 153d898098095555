"""Builds a bento and deploys it on BentoCloud, once nothing is wrong with the deployment."""
