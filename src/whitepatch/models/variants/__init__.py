"""The variants, one file each, found by name.

A file defines `TITLE`, the name that figures and tables show, and `attention()`, which returns the
layer between trunk and head. Nothing lists the files: params.yaml names those that run.
"""
