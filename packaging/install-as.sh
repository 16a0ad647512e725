#!/bin/sh
# install-as.sh FILE FOLDER NAME: installs a file under another name; meson's targets cannot.
set -eu
case $2 in
/*) folder=${DESTDIR:-}$2 ;;
*) folder=$MESON_INSTALL_DESTDIR_PREFIX/$2 ;;
esac
mkdir -p "$folder"
install -m 644 "$1" "$folder/$3"
