"""Texts, the second kind of data: a word as the sample, a text as the group, the closed form on weighted words."""
