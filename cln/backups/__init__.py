"""Backups of servers, a product that was retired: what there is of it is kept."""
