/**
 * The second stage of the installation, in a guest: an initramfs that mounts the unpacked system, runs `dpkg --configure -a` in it, and powers off.
 *
 * What a maintainer script does needs root and the new system's own programs; a guest has both on every host. It also means that one seed gives one system.
 *
 * @module
 */
import { driverInitramfs } from '../linux/initramfs.ts';

/** Printed when all went well. */
export const CONFIGURED = 'SYSTEM-CONFIGURED';

/** Runs in the new system, by its shell. */
const CONFIGURE = `
set -e
export PATH=/usr/sbin:/usr/bin LC_ALL=C HOME=/root DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
# Users and groups come with the one script that others need done before anything is configured.
/var/lib/dpkg/info/base-passwd.preinst install
# The kernel's package makes the initramfs; the trigger of initramfs-tools would make it again.
sed -i s/^update_initramfs=yes/update_initramfs=no/ /etc/initramfs-tools/update-initramfs.conf
dpkg --force-unsafe-io --configure -a
sed -i s/^update_initramfs=no/update_initramfs=yes/ /etc/initramfs-tools/update-initramfs.conf
passwd --quiet --delete root
systemctl --quiet enable systemd-networkd
# What would look for news on a network as soon as the system is up.
systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer
`;

/** Its words go to the console; a console is a terminal, so the lines of the log end in CR LF. */
export const STAGE = `
mount -t ext4 /dev/vda /mnt || exit 1
mount -t proc proc /mnt/proc
mount -t sysfs sys /mnt/sys
mount -t devtmpfs dev /mnt/dev
mount -t tmpfs run /mnt/run
if chroot /mnt /bin/sh /configure 2>&1; then
  rm /mnt/configure
  umount /mnt/run /mnt/dev /mnt/sys /mnt/proc /mnt && echo ${CONFIGURED}
fi
`;

/** The system's own configuration: what its administrator would write. Paths without a leading slash. */
export const FILES: Readonly<Record<string, string>> = {
  configure: CONFIGURE,
  'etc/hostname': 'lucid\n',
  'etc/hosts': '127.0.0.1 localhost lucid\n::1 localhost\n',
  'etc/fstab': '/dev/vda / ext4 errors=remount-ro 0 1\n',
  // The name server of user-mode networking.
  'etc/resolv.conf': 'nameserver 10.0.2.3\n',
  'etc/apt/sources.list': 'deb http://deb.debian.org/debian bookworm main\n',
  'etc/systemd/network/wired.network': '[Match]\nType=ether\n\n[Network]\nDHCP=ipv4\n',
  // The initramfs is unpacked at every boot, so it is made for speed.
  'etc/initramfs-tools/conf.d/quick': 'COMPRESS=zstd\nCOMPRESSLEVEL=1\n',
};

/** An initramfs whose /init configures the system on the first virtio disk. */
export function configureInitramfs(
  busybox: Uint8Array,
  modules: readonly { readonly name: string; readonly bytes: Uint8Array }[],
): Uint8Array {
  return driverInitramfs(busybox, modules, STAGE);
}
