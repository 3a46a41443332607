"""The variants, one file each, found by name.

A file defines `TITLE`, the name that figures and tables show, and what the variant has of its own:
`attention()`, the layer behind the trunk, else there is none; `readout()`, what turns features over
space into one number a channel, else it is their mean. Nothing lists the files: params.yaml names
those that run.
"""
