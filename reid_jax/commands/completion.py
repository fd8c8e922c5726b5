"""Scripts that let a shell complete commands and names of configurations."""

from reid_jax.commands.catalogue import all_commands
from reid_jax.commands.terminal import UsageError

_BASH = """\
_reid_jax() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" words="" each given=()
  for each in "${{COMP_WORDS[@]:0:$COMP_CWORD}}"; do
    case "$each" in -q | -v | --quiet | --verbose | --no-cache) ;; *) given+=("$each") ;; esac
  done
  case "${{#given[@]}}:${{given[1]}}" in
    1:*) words="{first}" ;;
    2:gallery) words="{gallery}" ;;
    2:cache) words="{cache}" ;;
    2:train) words="{configurations}" ;;
    2:completion) words="bash zsh fish" ;;
  esac
  case "$word" in -*) words="{options}" ;; esac
  COMPREPLY=( $(compgen -W "$words" -- "$word") )
}}
complete -o bashdefault -o default -F _reid_jax reid-jax"""

_ZSH = """\
#compdef reid-jax
(( $+functions[compdef] )) || {{ autoload -Uz compinit && compinit; }}
autoload -U +X bashcompinit && bashcompinit
{bash}"""

_FISH = """\
complete -c reid-jax -f -n __fish_use_subcommand -a "{first}"
complete -c reid-jax -s q -l quiet -d "results and errors alone"
complete -c reid-jax -s v -l verbose -d "also what libraries say"
complete -c reid-jax -l no-cache -d "embeddings are computed"
function __reid_jax_after
  set -l given (string match -v -r '^(-q|-v|--quiet|--verbose|--no-cache)$' -- (commandline -opc))
  test (count $given) -eq 2; and test $given[2] = $argv[1]
end
complete -c reid-jax -f -n "__reid_jax_after gallery" -a "{gallery}"
complete -c reid-jax -f -n "__reid_jax_after cache" -a "{cache}"
complete -c reid-jax -n "__reid_jax_after train" -a "{configurations}"
complete -c reid-jax -f -n "__reid_jax_after completion" -a "bash zsh fish\""""


def usage() -> str:
    """What to do with the script."""
    return """\
usage: reid-jax completion {bash,zsh,fish}

Prints a script that completes commands and configurations:
  bash  source <(reid-jax completion bash)
  zsh   source <(reid-jax completion zsh)
  fish  reid-jax completion fish | source"""


def completion(shell: str) -> str:
    """The script for a shell, to be sourced: `source <(reid-jax completion bash)`.

    Raises:
      UsageError: for another shell than bash, zsh and fish.
    """
    from reid_jax.configurations import names

    known = list(all_commands())
    words = {
        "first": " ".join(dict.fromkeys([*(each.split()[0] for each in known), "completion"])),
        **{
            group: " ".join(each.split()[1] for each in known if each.startswith(f"{group} "))
            for group in ("gallery", "cache")
        },
        "configurations": " ".join(names()),
        "options": "-q --quiet -v --verbose --no-cache -h --help --version",
    }
    if shell == "bash":
        return _BASH.format(**words)
    if shell == "zsh":
        return _ZSH.format(bash=_BASH.format(**words))
    if shell == "fish":
        return _FISH.format(**words)
    raise UsageError(f"There is no completion for {shell}; name bash, zsh or fish.")
