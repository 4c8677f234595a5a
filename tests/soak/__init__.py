"""Everything at once: real workers, a real web server, webhooks, clicks, autopay, refunds, deaths.

`tests/stories/test_soak.py` runs it for several seconds, `make soak` for MINUTES. Whatever the
order of events was, the verdict is the same: what the vendor counted is what our books say.
"""
