"""The command line, ``tilery``: the commands of `app.commands` under one name, and how the process ends.

Exit status: 0 done; 1 a fault of ours; 2 wrong usage; 3 the source (missing, refused, not a raster, damaged, changed,
without a place); 4 the catalog, the disk or a server (not reachable, refused, full), worth another try; 5 somebody else
works on the same layer; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

import click

from app.commands import exits, layers, mosaic, publish, service, steps, tiles, versions
from app.config.environment import WrongVariables
from tilery.errors import TileryError
from tilery.storage import disk
from tilery.storage.policy import WrongSourcesError


def main() -> NoReturn:
    """Never returns: the process ends with one of the statuses above."""
    try:
        tilery.main(prog_name="tilery", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        click.echo("\nInterrupted. Nothing is half done; the same command goes on from here.", err=True)
        sys.exit(exits.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except MemoryError:
        click.echo("Error: memory ran out. Nothing is half done.", err=True)
        sys.exit(exits.FAULT)
    except WrongVariables as error:
        for name, problem in error.problems.items():
            click.echo(f"Error: {name}: {problem}", err=True)
        sys.exit(exits.USAGE)
    except WrongSourcesError as error:
        click.echo(f"Error: {error}.", err=True)
        sys.exit(exits.USAGE)
    except TileryError as error:
        click.echo(f"Error: {error.detail}", err=True)
        if error.private:
            click.echo(f"  ({error.private.strip()})", err=True)
        sys.exit(exits.status_of(error))
    except BrokenPipeError:  # whoever read the output has enough of it
        _write_no_more()
        sys.exit(exits.STORE)
    except OSError as error:
        place = f"'{error.filename}'" if error.filename else "A file or folder"
        click.echo(f"Error: {disk.sentence(error.errno, place=place, use='use')}", err=True)
        click.echo(f"  ({error})", err=True)
        sys.exit(exits.STORE)
    sys.exit(0)


def _write_no_more() -> None:
    """Let what is still to be written go nowhere, so that the end of the process finds nothing to complain of."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit status: 0 done, 1 a fault of ours, 2 wrong usage, 3 something wrong with the source, 4 with the "
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
def tilery() -> None:
    """Turn rasters into layers, and serve their tiles."""


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
):
    tilery.add_command(command)
