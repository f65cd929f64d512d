// Package poudriere joins xjail's jails to poudriere(8): it reads where
// poudriere's configuration is, writes the metadata by which poudriere knows a
// jail, and takes it away again. Poudriere itself is not changed, and it is run
// only to register a jail where it is installed.
package poudriere
