"""The door for people: pages of the customer console, public pages and the sandbox."""
