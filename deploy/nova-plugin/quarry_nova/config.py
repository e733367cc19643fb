"""Where the daemon is and what it is asked for: defaults, then /etc/quarry/nova-plugin.conf, then the environment."""
import collections
import configparser
import os

from quarry_nova.errors import QuarryError

FILE = '/etc/quarry/nova-plugin.conf'
SECTION = 'quarry'
# The word of `schemes` that stands for every image, wherever it lies.
ANY = 'quarry'

DEFAULTS = {
    # `exports.socket` of the daemon
    'socket': '/run/quarry/export.sock',
    # Seconds of silence after which the daemon is given up. It speaks at each step, and gives a fetch up by itself
    # after `limits.giveUpMs` (60 s).
    'timeout': '90',
    # Schemes of image locations; `quarry`: any image, whether or not Glance tells where it lies (Victoria and later).
    'schemes': 'quarry, file, filesystem',
}

Config = collections.namedtuple('Config', 'socket timeout schemes')


def load(environment=os.environ):
    """Raises QuarryError for what cannot be read or understood."""
    path = environment.get('QUARRY_NOVA_CONF', FILE)
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict({SECTION: DEFAULTS})
    try:
        parser.read(path)
    except (configparser.Error, UnicodeDecodeError) as error:
        raise QuarryError('cannot read %s: %s' % (path, error))
    unknown = set(parser[SECTION]) - set(DEFAULTS)
    if unknown:
        raise QuarryError('%s: there is no setting %s in [%s]' % (path, ', '.join(sorted(unknown)), SECTION))
    values = {name: environment.get('QUARRY_NOVA_' + name.upper(), parser[SECTION][name]) for name in DEFAULTS}
    try:
        timeout = float(values['timeout'])
    except ValueError:
        timeout = 0
    if not 0 < timeout < float('inf'):
        raise QuarryError('timeout is %r, but must be a number of seconds above 0' % values['timeout'])
    schemes = tuple(word.strip() for word in values['schemes'].split(',') if word.strip())
    return Config(values['socket'], timeout, schemes)
