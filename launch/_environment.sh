# Sourced by the commands beside it. Makes the virtual environment they share and sets $checkout
# and $python.
#
# PGTF_VENV names the environment's folder (default: .venv in the checkout). The folder belongs to
# these commands: they make it anew when it is damaged.

checkout="$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"

say() { printf '%s\n' "launch: $*" >&2; }
fail() { say "$*"; exit 1; }

# Prints a Python that pyproject.toml allows.
_find_python() {
    local range command version seen=""
    range="$(sed -n 's/^requires-python = "\(.*\)"$/\1/p' "$checkout/pyproject.toml")"
    for command in python3.11 python3.12 python3.13 python3 python; do
        # A command may exist and yet not run (a version manager's stub).
        version="$("$command" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" \
            || continue
        if _in_range "$version" "$range"; then
            command -v "$command"
            return
        fi
        seen+=" $command ($version)"
    done
    fail "pgtf needs Python $range; found:${seen:- none}. Install one and put it on the PATH."
}

# Whether version 3.x lies in a range of the form ">=3.y,<3.z".
_in_range() {
    [[ "$1" == 3.* && "$2" =~ ^'>='3\.([0-9]+),'<'3\.([0-9]+)$ ]] || return 1
    local minor="${1#3.}"
    ((minor >= BASH_REMATCH[1] && minor < BASH_REMATCH[2]))
}

# The state is "LEVEL FINGERPRINT" after a finished install, and empty during one.
_is_ready() {
    local level fingerprint
    [[ -x "$python" && -f "$state" ]] || return 1
    read -r level fingerprint <"$state" || return 1
    [[ "$fingerprint" == "$inputs" && ("$level" == dev || "$level" == "$1") ]]
}

_install() {
    local level="$1" extras=all found old_level="" fingerprint
    if [[ -f "$state" ]]; then
        read -r old_level fingerprint <"$state" || true
    elif [[ -n "$(ls -A "$venv")" ]]; then
        fail "$venv was not made by the launch commands: remove it, or set PGTF_VENV to another folder."
    fi
    # What an interrupted install left cannot be trusted, and pip would not notice.
    if [[ -z "$old_level" ]] || ! "$python" -m pip --version >/dev/null 2>&1; then
        found="$(_find_python)"
        : >"$state"
        find "$venv" -mindepth 1 -maxdepth 1 ! -path "$state" -exec rm -rf {} +
        "$found" -m venv "$venv" || fail "$found could not make a virtual environment in $venv."
    fi
    [[ "$old_level" == dev ]] && level=dev
    [[ "$level" == dev ]] && extras=all,dev
    say "installing the pinned packages into $venv; this takes a few minutes, once."
    : >"$state"
    (
        cd -- "$checkout" || exit
        pip=("$python" -m pip install --disable-pip-version-check --no-input
            --constraint constraints.txt)
        # The build backend comes first, so that it is pinned too.
        "${pip[@]}" hatchling && "${pip[@]}" --no-build-isolation --editable ".[$extras]"
    ) >&2 || fail "the install did not finish; the reason stands above. Run the command again."
    printf '%s %s\n' "$level" "$inputs" >"$state"
}

# use_environment run|dev: installs what is missing; dev adds the tools for tests and checks.
use_environment() {
    venv="${PGTF_VENV:-$checkout/.venv}"
    mkdir -p -- "$venv" || fail "cannot make $venv: set PGTF_VENV to a folder that can be written."
    venv="$(CDPATH='' cd -- "$venv" && pwd -P)"
    python="$venv/bin/python"
    state="$venv/.pgtf-launch"
    inputs="$({ printf '%s\n' "$checkout"; cat -- "$checkout"/{pyproject.toml,constraints.txt}; } | cksum)"
    _is_ready "$1" && return
    (
        if command -v flock >/dev/null && ! flock --nonblock 9; then
            say "waiting for another install into $venv."
            flock 9
        fi
        _is_ready "$1" || _install "$1"
    ) 9<"$venv"
}
