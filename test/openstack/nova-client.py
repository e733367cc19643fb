"""Nova's own image code, driven by JSON lines.

Reads one command a line from standard input and writes one answer a line to standard output:

    {"id": 1, "do": "download", "endpoint": "http://127.0.0.1:9292", "identity": {...}, ...}
    {"id": 1, "result": {...}}    or    {"id": 1, "error": {"class": "ImageNotFound", "message": "..."}}

Each command runs in a process of its own, forked after Nova was imported: commands run side by side, each with its own
endpoint in its configuration, as on a compute host of its own. What goes over the wire is Nova's doing alone: this file
calls what the conductor, the compute manager and the libvirt driver call, in their order.
"""
import ctypes
import json
import logging
import os
import signal
import sys
import tempfile
import threading

import nova.conf
from nova.compute import utils as compute_utils
from nova import context as nova_context
from nova import exception
from nova.image import glance
from nova import objects
from nova.virt import images

CONF = nova.conf.CONF
objects.register_all()
IMAGE_API = glance.API()


def context_of(identity):
    return nova_context.RequestContext(
        user_id=identity['userId'], project_id=identity['projectId'], auth_token=identity['token'], roles=['member'])


def show(context, command):
    return IMAGE_API.get(context, command['image'])


def download(context, command):
    """Rescue, and spawn without a cache: the bytes as they are."""
    images.fetch(context, command['image'], command['path'])


def unshelve(context, command):
    # conductor.manager.unshelve_instance
    try:
        shelved = IMAGE_API.get(context, command['image'], show_deleted=False)
    except exception.ImageNotFound:
        raise exception.UnshelveException(instance_id=command['image'], reason='image not found')
    # libvirt.imagebackend: Image.cache, through libvirt.utils.fetch_image
    images.fetch_to_raw(context, shelved['id'], command['path'])
    # compute.manager._delete_snapshot_of_shelved_instance
    if command.get('delete', True):
        try:
            IMAGE_API.delete(context, shelved['id'])
        except (exception.ImageNotFound, exception.ImageNotAuthorized) as e:
            return {'notDeleted': type(e).__name__}


def shelve(context, command):
    # compute.api.shelve; the user's own instance, made from the image `base`
    instance = objects.Instance(
        uuid=command['instance'], project_id=context.project_id, user_id=context.user_id, os_type=None,
        system_metadata={'image_base_image_ref': command['base'], 'image_container_format': 'bare',
                         'image_disk_format': command['format'], 'image_min_ram': '0', 'image_min_disk': '1'})
    image = compute_utils.create_image(context, instance, command['name'], 'snapshot', IMAGE_API)
    if 'created' in command:
        with open(command['created'], 'w') as out:
            out.write(image['id'])
    # compute.manager._shelve_instance, then libvirt.driver.snapshot
    IMAGE_API.get(context, image['id'])
    snapshot = IMAGE_API.get(context, image['id'])
    metadata = {'status': 'active', 'name': snapshot['name'], 'disk_format': command['format'],
                'container_format': 'bare',
                'properties': {'kernel_id': None, 'image_location': 'snapshot', 'image_state': 'available',
                               'owner_id': context.project_id, 'ramdisk_id': None}}
    with open(command['path'], 'rb') as file:
        IMAGE_API.update(context, image['id'], metadata, file, purge_props=False)
    return {'image': image['id']}


def delete(context, command):
    IMAGE_API.delete(context, command['image'])


COMMANDS = {f.__name__: f for f in (show, download, unshelve, shelve, delete)}


def plain(value):
    return json.loads(json.dumps(value, default=str))


def configure(command):
    sections = {'glance': {'endpoint_override': command['endpoint']}}
    for name, options in command.get('config', {}).items():
        sections.setdefault(name, {}).update(options)
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as conf:
        for name, options in sections.items():
            conf.write('[%s]\n' % name)
            conf.writelines('%s = %s\n' % option for option in options.items())
        conf.flush()
        CONF([], default_config_files=[conf.name], default_config_dirs=[])


def answer_of(command):
    try:
        configure(command)
        result = COMMANDS[command['do']](context_of(command['identity']), command)
        return {'id': command['id'], 'result': plain(result)}
    except Exception as e:
        return {'id': command['id'], 'error': {'class': type(e).__name__, 'message': str(e)[:1000]}}


def serve(line):
    """In the child: one write of a line that fits into a pipe's buffer never mixes with another's."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: no command outlives the driver
    code = 1
    try:
        os.write(1, json.dumps(answer_of(json.loads(line))).encode() + b'\n')
        code = 0
    finally:
        os._exit(code)


def main():
    logging.disable(logging.CRITICAL)  # Nova logs each retry with a trace; the answers say what matters
    os.write(1, b'{"ready": true}\n')
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            serve(line)
        threading.Thread(target=os.waitpid, args=(pid, 0), daemon=True).start()


main()
