"""``ganger task``: sees, explains and cancels tasks, whoever submitted them."""

from __future__ import annotations

import click

from ganger.cli.connection import connected
from ganger.cli.documents import CancelDocument, ExplanationDocument, TaskDocument, TasksDocument
from ganger.cli.invocation import Invocation
from ganger.cli.options import client_options, output_option
from ganger.cli.output import print_fields, print_rows, show
from ganger.cli.values import read_task_id
from ganger.core.lifecycle import State
from ganger.errors import InvalidOption
from ganger.protocol.views import TaskView

STATES = [state.name.lower() for state in State]


@click.group()
def command() -> None:
    """See, explain and cancel tasks, whoever submitted them."""


@command.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only tasks in this state.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=1000, show_default=True, metavar="N", help="The most rows."
)
@client_options
@output_option
@click.pass_obj
def list_tasks(
    invocation: Invocation,
    state: str | None,
    limit: int,
    output: str,
) -> None:
    """Show tasks that have not ended, or whose results are still held."""
    with connected(invocation) as client:
        tasks = client.tasks(state or "", limit + 1)
    document = TasksDocument(tasks=tasks[:limit], complete=len(tasks) <= limit)
    show(document, output, lambda: _print_rows(document), [task.id for task in document.tasks])


@command.command("show")
@click.argument("task", type=read_task_id, metavar="ID")
@client_options
@output_option
@click.pass_obj
def show_task(invocation: Invocation, task: str, output: str) -> None:
    """Show all that is known of a task."""
    with connected(invocation) as client:
        view = client.explain(task).task
    show(TaskDocument(task=view), output, lambda: _print_one(view), [view.id])


@command.command("explain")
@click.argument("task", type=read_task_id, metavar="ID")
@client_options
@output_option
@click.pass_obj
def explain(invocation: Invocation, task: str, output: str) -> None:
    """Say why a task is where it is, the nearest reason first."""
    with connected(invocation) as client:
        found = client.explain(task)

    def print_reasons() -> None:
        click.echo(f"task {found.task.id} ({found.task.name}) is {found.task.state}:")
        click.echo("\n".join(f"  {reason}" for reason in found.reasons))

    document = ExplanationDocument(task=found.task, reasons=found.reasons)
    show(document, output, print_reasons, [found.task.id])


@command.command("cancel")
@click.argument("tasks", type=read_task_id, nargs=-1, required=True, metavar="ID...")
@client_options
@output_option
@click.pass_obj
def cancel(invocation: Invocation, tasks: tuple[str, ...], output: str) -> None:
    """Cancel tasks, and end those that run.

    The exit code is 2 if some of them had ended or never were; the others are cancelled all the same.
    """
    chosen = list(dict.fromkeys(tasks))
    with connected(invocation) as client:
        reached = client.cancel_tasks(chosen)
    missed = [task for task in chosen if task not in reached]
    document = CancelDocument(cancelled=reached, missed=missed)
    show(document, output, lambda: _print_cancelled(reached), reached)
    if missed:
        raise InvalidOption(
            f"there was nothing to cancel of {', '.join(missed)}",
            hint="it has ended, or there is no such task; see: ganger task list",
        )


def _print_cancelled(reached: list[str]) -> None:
    for task in reached:
        click.echo(f"task {task} is cancelled")


def _print_rows(document: TasksDocument) -> None:
    names = (
        "ID",
        "NAME",
        "STATE",
        "ATTEMPT",
        "WORKER",
        "WAITS FOR",
        "FAILURES",
        "LOSSES",
        "PRIORITY",
        "NOTE",
    )
    rows = [
        (
            task.id,
            task.name,
            task.state,
            task.attempt,
            task.worker,
            task.waiting_for,
            task.failures,
            task.losses,
            task.priority,
            task.note,
        )
        for task in document.tasks
    ]
    print_rows(names, rows, "there are no such tasks")
    if not document.complete:
        click.echo(f"these are the first {len(rows):,}; there are more, see --limit", err=True)


def _print_one(task: TaskView) -> None:
    print_fields(
        (
            ("id", task.id),
            ("name", task.name),
            ("state", task.state),
            ("attempt", task.attempt),
            ("worker", task.worker or "none"),
            ("waits for", f"{task.waiting_for:,} tasks"),
            ("failures", task.failures),
            ("losses", task.losses),
            ("priority", task.priority),
            ("session", str(task.session)),
            ("note", task.note or "none"),
        )
    )
