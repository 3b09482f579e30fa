/** The negative error numbers that maps and helpers give (include/uapi/asm-generic/errno-base.h and errno.h). */
export const ERRNO = {
  EPERM: -1,
  ENOENT: -2,
  E2BIG: -7,
  EAGAIN: -11,
  ENOMEM: -12,
  EFAULT: -14,
  EBUSY: -16,
  EEXIST: -17,
  EINVAL: -22,
  ENOSPC: -28,
  ENOMSG: -42,
  ENOPROTOOPT: -92,
  EOPNOTSUPP: -95,
  EAFNOSUPPORT: -97,
  EADDRINUSE: -98,
  EADDRNOTAVAIL: -99,
  ENOBUFS: -105,
  ENOTCONN: -107,
  ETIMEDOUT: -110,
  ECONNREFUSED: -111,
} as const;

const names = new Map<number, string>(Object.entries(ERRNO).map(([name, number]) => [number, name]));
/** "-28 (ENOSPC)", or the number alone. */
export const errnoText = (errno: number): string => {
  const name = names.get(errno);
  return name ? `${errno} (${name})` : `${errno}`;
};
