"""Accounts (the paying party, tenant and lock), logins with roles, agreements, secrets, audit."""
