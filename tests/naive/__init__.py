"""A naive model of the billing specification, to hold the real system against.

It was written from the specification's text alone and imports nothing of `cln`. It walks day by
day, keeps every license as a unit of its own, computes with fractions and rounds each line once.
Where it and the code agree, two readings of the specification agree.
"""
