/** What a service of OpenStack is started with. The caller's OS_* must not configure it, nor a proxy stand before it. */
export function serviceEnvironment(dir: string): Record<string, string> {
  return { PATH: '/usr/bin:/bin', HOME: dir, LANG: 'C.UTF-8' };
}
