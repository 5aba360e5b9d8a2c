"""Find copies of an image on pixels alone: miniatures, candidates, registration, and the tests that verify."""
