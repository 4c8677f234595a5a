"""Paths of the pages for people. CLN's own paths are kept: people have them in their bookmarks."""

from allauth.account import views as allauth
from django.urls import URLPattern, path, re_path

from cln.console.limits import limited
from cln.console.views import (
    account,
    api_access,
    api_tokens,
    billing,
    convert,
    dashboard,
    deposit,
    documents,
    ip_licenses,
    keys,
    logins,
    pay_link,
    payment_methods,
    payments,
    profile,
    public,
    purchase,
    sandbox,
    security,
    servers,
    sign_up,
    subscriptions,
)

PUBLIC = [
    path("", public.landing, name="landing"),
    path("console/check-license", public.check_license, name="check_license"),
    path("console/register/customer", sign_up.sign_up, name="account_signup"),
    path("console/auth/login", allauth.login, name="account_login"),
    path("console/auth/logout", allauth.logout, name="account_logout"),
    path("console/auth/inactive", allauth.account_inactive, name="account_inactive"),
    path(
        "console/auth/confirm",
        allauth.email_verification_sent,
        name="account_email_verification_sent",
    ),
    path(
        "console/auth/confirm/<str:key>",
        limited("mailed_link", allauth.confirm_email, subject="key"),
        name="account_confirm_email",
    ),
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
    re_path(
        r"^console/auth/reset/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)$",
        limited("mailed_link", allauth.password_reset_from_key, subject="uidb36"),
        name="account_reset_password_from_key",
    ),
    path("console/auth/again", allauth.reauthenticate, name="account_reauthenticate"),
    path("console/profile/password", allauth.password_change, name="account_change_password"),
]
SANDBOX = [
    path("sandbox/mail", sandbox.mails, name="sandbox_mails"),
    path("sandbox/mail/<int:message_id>", sandbox.mail, name="sandbox_mail"),
    path("sandbox/clock", sandbox.clock, name="sandbox_clock"),
    path("sandbox/design", sandbox.design, name="sandbox_design"),
]
LICENSES = [
    path("console/dashboard", dashboard.dashboard, name="dashboard"),
    path("console/trial/<slug:license_type>", dashboard.start_trial, name="start_trial"),
    path("console/products/<slug:code>", keys.product, name="product"),
    path("console/keys/new/<slug:license_type>", keys.create, name="new_key"),
    path("console/keys/<slug:key>", keys.details, name="key"),
    path("console/keys/<slug:key>/edit", keys.edit, name="edit_key"),
    path("console/keys/<slug:key>/remove", keys.remove, name="remove_key"),
    path("console/servers", servers.servers, name="servers"),
    path("console/servers/<slug:server>", servers.details, name="server"),
    path("console/servers/<slug:server>/remove", servers.remove, name="remove_server"),
    path("console/servers/<slug:server>/identity", servers.identity, name="server_identity"),
    path(
        "console/licenses/<slug:license_type>/remove-unused",
        subscriptions.remove_unused,
        name="remove_unused",
    ),
    path(
        "console/licenses/<slug:license_type>/unsubscribe",
        subscriptions.unsubscribe,
        name="unsubscribe",
    ),
    path("console/licenses/<slug:license_type>/resume", subscriptions.resume, name="resume"),
]
MONEY = [
    path("console/purchase", purchase.products, name="purchase_products"),
    path("console/purchase/<slug:code>", purchase.purchase, name="purchase"),
    path("console/cart", purchase.show_cart, name="cart"),
    path("console/cart/pay", purchase.pay, name="cart_pay"),
    path("console/cart/done", purchase.done, name="order_done"),
    path("console/cart/put/<slug:license_type>", purchase.put, name="cart_put"),
    path("console/cart/drop/<slug:license_type>", purchase.drop, name="cart_drop"),
    path("console/billing", billing.overview, name="billing"),
    path("console/billing/invoices", billing.invoices, name="invoices"),
    path("console/billing/invoices/pay", billing.pay_now, name="pay_now"),
    path("console/billing/invoices/<slug:public_id>", billing.invoice, name="invoice"),
    path("console/billing/invoices/<slug:public_id>.pdf", documents.invoice, name="invoice_pdf"),
    path(
        "console/billing/credit-notes/<slug:credit_note>.pdf",
        documents.credit_note,
        name="credit_note_pdf",
    ),
    path("console/billing/statements/<slug:month>.pdf", documents.statement, name="statement_pdf"),
    path("console/billing/upcoming", billing.upcoming, name="upcoming"),
    path(
        "console/billing/invoices/<slug:public_id>/pay/<slug:gateway>",
        payments.pay_invoice,
        name="pay_invoice",
    ),
    path("console/billing/payments/<slug:payment>", payments.payment, name="payment"),
    path("console/billing/payments/back/<slug:payment>", payments.back, name="payment_back"),
    path(
        "console/billing/payment-methods", payment_methods.payment_methods, name="payment_methods"
    ),
    path(
        "console/billing/payment-methods/begin/<slug:gateway>",
        payment_methods.begin,
        name="begin_payment_method",
    ),
    path("console/billing/payment-methods/back", payment_methods.back, name="payment_method_back"),
    path(
        "console/billing/payment-methods/remove",
        payment_methods.remove,
        name="remove_payment_method",
    ),
    path("pay/<str:token>", pay_link.pay, name="pay_link"),
    path("pay/<str:token>/with/<slug:gateway>", pay_link.lead_on, name="pay_link_with"),
    path("pay/<str:token>/back/<slug:payment>", pay_link.back, name="pay_link_back"),
]
PROFILE = [
    path("console/profile", profile.profile, name="profile"),
    path("console/auth/code", security.sign_in, name="two_factor_sign_in"),
    path("console/profile/security", security.security, name="security"),
    path("console/profile/security/two-factor", security.turn_on, name="two_factor_on"),
    path("console/profile/security/two-factor/off", security.turn_off, name="two_factor_off"),
    path("console/profile/security/codes", security.recovery_codes, name="two_factor_codes"),
    path(
        "console/profile/security/sessions/<int:session>/end",
        security.end_session,
        name="end_session",
    ),
    path("console/profile/person", profile.person, name="profile_person"),
    path("console/profile/tax", profile.tax, name="profile_tax"),
    path("console/profile/api/tokens/new", api_tokens.create, name="new_api_token"),
    path(
        "console/profile/api/tokens/<slug:api_token>/revoke",
        api_tokens.revoke,
        name="revoke_api_token",
    ),
    path("console/profile/api", api_access.api, name="api"),
    path("console/profile/api-secret", api_access.api_secret, name="api_secret"),
    path("console/profile/logins", logins.logins, name="logins"),
    path("console/profile/logins/invite", logins.invite, name="invite_login"),
    path("console/profile/logins/<int:login>/role", logins.edit, name="edit_login"),
    path("console/profile/logins/<int:login>/again", logins.invite_again, name="invite_again"),
    path("console/profile/logins/<int:login>/remove", logins.remove, name="remove_login"),
    path("console/profile/reports", account.reports, name="reports"),
    path("console/profile/reports/<slug:product>", account.edit_report, name="edit_report"),
    path("console/profile/audit", account.audit, name="audit"),
    path("console/profile/convert", convert.convert, name="convert"),
    path("console/support", account.ticket, name="submit_ticket"),
]
RESELLER = [
    path("console/ip-licenses", ip_licenses.ip_licenses, name="ip_licenses"),
    path("console/ip-licenses/add", ip_licenses.add, name="add_ip_licenses"),
    path("console/ip-licenses/remove", ip_licenses.remove, name="remove_ip_licenses"),
    path("console/ip-licenses/<slug:license>/edit", ip_licenses.edit, name="edit_ip_license"),
    path("console/billing/balance", deposit.balance, name="balance"),
    path("console/billing/autopayment", deposit.autopayment, name="autopayment"),
    path("console/billing/statement", deposit.statement, name="statement"),
]
urlpatterns: list[URLPattern] = [*PUBLIC, *SANDBOX, *LICENSES, *MONEY, *RESELLER, *PROFILE]
