"""The command line, ``tilery``: the commands of `app.commands` under one name, and how the process ends.

Exit status: 0 done; 1 an internal error; 2 wrong usage; 3 the source (missing, refused, not a raster, damaged, changed,
without a place); 4 the catalog, the disk or a server (not reachable, refused, full), worth another try; 5 somebody else
works on the same layer; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from app.commands import exits, layers, logged, mosaic, publish, service, sign, steps, tiles, versions
from app.config import checks, settings
from app.config.environment import WrongVariables, written
from tilery.errors import TileryError
from tilery.storage.policy import WrongSourcesError


def main() -> NoReturn:
    """Never returns: the process ends with one of the statuses above."""
    logged.tell_warnings()
    try:
        tilery.main(prog_name="tilery", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("\nInterrupted. Nothing is half done; the same command goes on from here.", err=True)
        sys.exit(exits.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever read the output has enough of it
        _write_no_more()
        sys.exit(exits.STORE)
    except (MemoryError, WrongVariables, WrongSourcesError, TileryError, OSError) as error:
        for line in exits.lines_of(error):
            click.echo(line, err=True)
        sys.exit(exits.status_of(error))
    sys.exit(0)


def _write_no_more() -> None:
    """Let what is still to be written go nowhere, so that the end of the process finds nothing to complain of."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit status: 0 done, 1 an internal error, 2 wrong usage, 3 something wrong with the source, 4 with the "
    "catalog or the disk, 5 somebody else works on the same layer, 130 interrupted.",
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=versions.show,
    help="Our version and those of the libraries.",
)
@click.pass_context
def tilery(context: click.Context) -> None:
    """Turn rasters into layers, and serve their tiles."""
    if context.invoked_subcommand == service.serve.name:
        return  # a server with a setting that is not heeded is not started at all
    for name, problem in checks.unknown(settings.process_environment(), written()).items():
        click.echo(f"Warning: {name}: {problem}", err=True)


for command in (
    service.settings_,
    service.serve,
    service.demo,
    steps.zoom,
    steps.transcode,
    steps.overviews,
    steps.vrt,
    steps.metadata,
    publish.publish,
    publish.publish_incoming,
    mosaic.mosaic,
    layers.layers,
    tiles.seed,
    tiles.purge,
    sign.sign,
):
    tilery.add_command(command)
