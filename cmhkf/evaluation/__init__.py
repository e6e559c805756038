"""The protocols of the field: evaluation, tables and ablations."""
