"""Finding something: a page of its own, and the same in a dialog where JavaScript runs."""

from django.http import HttpResponse
from django.shortcuts import render

from cln.accounts.access import Permission
from cln.console.search import hits_for
from cln.web import Request, page

LONGEST = 200


@page("GET", permission=Permission.VIEW_PRODUCTS)
def search(request: Request) -> HttpResponse:
    """`/console/search?q=`: a hostname, an address, a key, an invoice number, or a page."""
    text = request.GET.get("q", "")[:LONGEST]
    hits = hits_for(text, account=request.account, role=request.login.role)
    context = {"section": "dashboard", "text": text, "hits": hits}
    template = "search.html#hits" if request.htmx else "search.html"
    return render(request, template, context)
