"""The page in the browser, and the interface behind it."""
