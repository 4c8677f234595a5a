"""Pages for everybody."""

from django.http import HttpResponse
from django.shortcuts import render

from cln.web import Request, page


@page("GET", permission=None)
def landing(request: Request) -> HttpResponse:
    """`/`: what CLN is and the way in."""
    return render(request, "landing.html")
