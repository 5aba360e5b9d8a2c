"""Web server of `infomax serve`: the page in the browser and its HTTP API."""
