"""Kinds of data. Each brings a source, an encoder and views by one protocol, `infomax.kinds.kind.DataKind`.

Objectives, the closed form, training, recipes, the index and the evaluation know no kind. A recipe names the kind that
it takes, and everything else asks the recipe.
"""
