"""Texts, the second kind of data: words as samples, a text as the group, the closed form on counts of words."""
