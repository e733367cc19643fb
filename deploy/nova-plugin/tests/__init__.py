"""Run by test/integration/nova-plugin.test.ts, with Nova's own code on the path."""
import nova.conf

nova.conf.CONF([], default_config_files=[], default_config_dirs=[])
