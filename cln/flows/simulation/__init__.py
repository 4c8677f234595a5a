"""`cln simulate`: a file of accounts and what they do, played through the flows of production.

`parsing` reads the file, `playing` lives through it, `report` says what came of it. The format is
a promise to other people's files: docs/operator/simulate.md.
"""
