"""One module per backend; each is the argument of `bentoml serve services.<module>:<Class>`."""
