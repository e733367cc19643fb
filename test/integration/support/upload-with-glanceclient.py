"""Uploads a file as Nova does, with a token that can be renewed and Nova's retries; prints how it ended. Arguments: URL, image."""
import io
import sys

from glanceclient import client, exc
from keystoneauth1 import plugin, service_token, session


class User(plugin.BaseAuthPlugin):
    def get_token(self, session, **kwargs):
        return "user"

    def get_endpoint(self, session, **kwargs):
        return sys.argv[1]


class Service(User):
    def get_token(self, session, **kwargs):
        return "service"

    def invalidate(self):
        return True


auth = service_token.ServiceTokenAuthWrapper(User(), Service())
glance = client.Client("2", session=session.Session(auth=auth), endpoint_override=sys.argv[1])
data = io.BytesIO(b"x" * 3_000_000)
end = "taken"
for attempt in range(4):
    try:
        glance.images.upload(sys.argv[2], data)
        end = "taken"
        break
    except (exc.HTTPServiceUnavailable, exc.CommunicationError) as error:  # those Nova tries again on
        end = type(error).__name__
    except exc.HTTPException as error:
        end = type(error).__name__
        break
print(end)
