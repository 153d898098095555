"""The API's reference: an OpenAPI document and a page, made of the code that answers."""
