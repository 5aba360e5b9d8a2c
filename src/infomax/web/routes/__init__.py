"""Routes of the server, one file per topic. Their docstrings are the user documentation in OpenAPI."""
