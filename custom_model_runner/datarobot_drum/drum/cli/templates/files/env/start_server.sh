#!/bin/sh
# CODE_DIR, ADDRESS, TARGET_TYPE, label variables, URL_PREFIX and WITH_ERROR_SERVER come from the environment.
exec drum server "$@"
