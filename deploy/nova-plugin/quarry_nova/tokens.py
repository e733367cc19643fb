"""The headers with which Nova would ask Glance for this caller."""
from nova.image import glance


def headers_of(context):
    """Both tokens, where Nova sends both, and the id of the request. Nothing of it belongs into a log."""
    headers = {}
    ask = getattr(glance, '_session_and_auth', None)
    if ask is not None:
        # [service_user] too: with its token Glance takes a user's that has expired meanwhile
        session, auth = ask(context)
        headers.update(auth.get_headers(session) or {})
    elif getattr(context, 'auth_token', None):
        headers['X-Auth-Token'] = context.auth_token
    request_id = getattr(context, 'global_id', None)
    if request_id:
        headers['X-OpenStack-Request-ID'] = request_id
    return {name: value for name, value in headers.items() if value}
