from skykite import App

from stacks.notes import NotesStack


def main(app: App) -> None:
    NotesStack(app, "NotesStack")
