"""Methods of other papers on the same rows: each file holds a model, with CMHKF's `forward`, and what it minimises."""
