/** The caller's OS_* must not configure a Glance, nor a proxy stand before it. */
export function glanceEnvironment(dir: string): Record<string, string> {
  return { PATH: '/usr/bin:/bin', HOME: dir, LANG: 'C.UTF-8' };
}
