"""Paths of the pages for people. CLN's own paths are kept: people have them in their bookmarks."""

from allauth.account import views as allauth
from django.urls import URLPattern, path

from cln.console.views import public, sandbox, sign_up

PUBLIC = [
    path("", public.landing, name="landing"),
    path("console/register/customer", sign_up.sign_up, name="account_signup"),
    path("console/auth/login", allauth.login, name="account_login"),
    path("console/auth/logout", allauth.logout, name="account_logout"),
    path("console/auth/inactive", allauth.account_inactive, name="account_inactive"),
    path(
        "console/auth/confirm",
        allauth.email_verification_sent,
        name="account_email_verification_sent",
    ),
    path("console/auth/confirm/<str:key>", allauth.confirm_email, name="account_confirm_email"),
    path("console/auth/reset", allauth.password_reset, name="account_reset_password"),
    path(
        "console/auth/reset/sent",
        allauth.password_reset_done,
        name="account_reset_password_done",
    ),
    path(
        "console/auth/reset/done",
        allauth.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path(
        "console/auth/reset/<str:uidb36>-<str:key>",
        allauth.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path("console/auth/again", allauth.reauthenticate, name="account_reauthenticate"),
    path("console/profile/password", allauth.password_change, name="account_change_password"),
]
SANDBOX = [
    path("sandbox/mail", sandbox.mails, name="sandbox_mails"),
    path("sandbox/mail/<int:message_id>", sandbox.mail, name="sandbox_mail"),
    path("sandbox/clock", sandbox.clock, name="sandbox_clock"),
]
urlpatterns: list[URLPattern] = [*PUBLIC, *SANDBOX]
