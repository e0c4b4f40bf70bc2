# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what may go wrong, as `error_words` finds it in what the worker says.

The values stand in braces, named, for a translation may turn them round. A part that many sentences
share, such as what to do, stands alone, with {words} for the rest. `tests/blender` checks that each
is said somewhere, and that nothing else is.
"""

TEXTS = {
    # --- pictures ---------------------------------------------------------------------------------
    "no picture is chosen; give a PNG or JPEG file": (
        "Es ist kein Bild gewählt; eine PNG- oder JPEG-Datei angeben"
    ),
    "picture '{path}' {what}; choose a PNG or JPEG file": (
        "Bild „{path}“ {what}; eine PNG- oder JPEG-Datei wählen"
    ),
    "does not exist": "gibt es nicht",
    "is a folder": "ist ein Ordner",
    "is a file": "ist eine Datei",
    "there is no image '{name}' in this file; choose another one": (
        "In dieser Datei gibt es kein Bild „{name}“; ein anderes wählen"
    ),
    "{path} is damaged or in no format that Blender reads; choose a PNG or JPEG file": (
        "{path} ist beschädigt oder in einem Format, das Blender nicht liest; eine PNG- oder "
        "JPEG-Datei wählen"
    ),
    "picture {path} cannot be read; choose a PNG or JPEG file": (
        "Bild {path} ist nicht lesbar; eine PNG- oder JPEG-Datei wählen"
    ),
    "there is no picture at {path}; check the path.": (
        "Bei {path} liegt kein Bild; den Pfad prüfen."
    ),
    "{path} is an empty file of 0 bytes; save or copy it again.": (
        "{path} ist eine leere Datei; noch einmal speichern oder kopieren."
    ),
    "{path} is damaged or incomplete ({reason}); save or copy it again.": (
        "{path} ist beschädigt oder unvollständig ({reason}); noch einmal speichern oder kopieren."
    ),
    "{path} is not a picture in a known format, or its start is damaged; {advice}.": (
        "{path} ist kein Bild in einem bekannten Format, oder sein Anfang ist beschädigt; {advice}."
    ),
    "{path} is damaged or cannot be opened ({reason}); {advice}.": (
        "{path} ist beschädigt oder lässt sich nicht öffnen ({reason}); {advice}."
    ),
    "use a PNG, JPEG, WebP, TIFF or BMP file": (
        "eine PNG-, JPEG-, WebP-, TIFF- oder BMP-Datei nehmen"
    ),
    "{path} has {width} x {height} pixels; at least {least} x {same} are needed, so choose a "
    "larger picture.": (
        "{path} hat {width} x {height} Pixel; mindestens {least} x {same} sind nötig, also ein "
        "größeres Bild wählen."
    ),
    "{found}; choose a picture with one object in front of a background of another colour.": (
        "{found}; ein Bild mit einem Objekt vor einem Hintergrund anderer Farbe wählen."
    ),
    "the picture is transparent nearly everywhere": "Das Bild ist fast überall durchsichtig",
    "nothing stands out from the background, so nothing is left of the picture": (
        "Nichts hebt sich vom Hintergrund ab, also bleibt vom Bild nichts übrig"
    ),
    "the background is not plain; {advice}": "Der Hintergrund ist nicht einfarbig; {advice}",
    "the background is not plain; {advice}, or choose a picture before a plain background.": (
        "Der Hintergrund ist nicht einfarbig; {advice}, oder ein Bild vor einfarbigem Hintergrund "
        "wählen."
    ),
    "cut out the object in an image editor and save it as a PNG with transparency": (
        "das Objekt in einem Bildprogramm freistellen und als PNG mit Transparenz speichern"
    ),
    "the picture is fully transparent, so there is no object in it; choose another one.": (
        "Das Bild ist ganz durchsichtig, also ist kein Objekt darin; ein anderes wählen."
    ),
    "the object is {width} x {height} pixels, too thin to be shown; choose a picture with a wider "
    "object.": (
        "Das Objekt misst {width} x {height} Pixel und ist zu schmal; ein Bild mit einem breiteren "
        "Objekt wählen."
    ),
    "{path} is a folder, not a picture; choose a file in it": (
        "{path} ist ein Ordner, kein Bild; eine Datei darin wählen"
    ),
    "{path} is not an ordinary file; {advice}": "{path} ist keine gewöhnliche Datei; {advice}",
    "{path} has more than {count} megapixels; make it smaller, 2048 pixels a side are plenty": (
        "{path} hat mehr als {count} Megapixel; kleiner machen, 2048 Pixel je Seite reichen"
    ),
    "{path} has {width} x {height} pixels, {count} megapixels; make it smaller than {most} "
    "megapixels, 2048 pixels a side are plenty": (
        "{path} hat {width} x {height} Pixel, {count} Megapixel; kleiner als {most} Megapixel "
        "machen, 2048 Pixel je Seite reichen"
    ),
    "the background is not plain; {advice}, or install rembg and onnxruntime with pip: they "
    "remove any background": (
        "Der Hintergrund ist nicht einfarbig; {advice}, oder mit pip rembg und onnxruntime "
        "installieren, die jeden entfernen"
    ),
    "the background is not plain; {advice}, or allow the rembg library to download its model "
    "{name}": (
        "Der Hintergrund ist nicht einfarbig; {advice}, oder der Bibliothek rembg erlauben, ihr "
        "Modell {name} zu laden"
    ),
    "background removal found no object in the picture": (
        "Beim Freistellen fand sich kein Objekt im Bild"
    ),
    "only {count} pixels in one line of the picture are visible; choose a picture with a larger "
    "object": (
        "Nur {count} Pixel auf einer Linie des Bildes sind sichtbar; ein Bild mit einem größeren "
        "Objekt wählen"
    ),
    "the picture is transparent everywhere; choose one that shows an object": (
        "Das Bild ist überall durchsichtig; eines wählen, das ein Objekt zeigt"
    ),
    "the picture is transparent everywhere, so it shows no object": (
        "Das Bild ist überall durchsichtig, zeigt also kein Objekt"
    ),
    "no picture was given; choose one picture": "Kein Bild wurde angegeben; eines wählen",
    # --- making a mesh ----------------------------------------------------------------------------
    "the model made no surface from this picture; try another seed or picture": (
        "Das Modell fand in diesem Bild keine Oberfläche; einen anderen Startwert oder ein anderes "
        "Bild versuchen"
    ),
    "the memory is not enough for this task; use a lower resolution or close other programs": (
        "Der Speicher reicht nicht für diese Aufgabe; eine kleinere Auflösung nehmen oder andere "
        "Programme schließen"
    ),
    "an unexpected {kind} ended the task ({reason}); the worker's log tells where": (
        "Ein unerwarteter {kind} beendete die Aufgabe ({reason}); das Protokoll des Workers sagt, "
        "wo"
    ),
    "{title}: cancelled": "{title}: abgebrochen",
    "{title} failed: {kind}: {reason}": "{title} misslang: {kind}: {reason}",
    # --- the worker -------------------------------------------------------------------------------
    "{words}; start again": "{words}; noch einmal starten",
    "{words}; choose another Python for it, or install its libraries again": (
        "{words}; ein anderes Python dafür wählen oder seine Bibliotheken neu installieren"
    ),
    "{words}; its last words were: {said}": "{words}; seine letzten Worte: {said}",
    "{words}; the system may have run out of memory, so close other programs": (
        "{words}; vielleicht war der Speicher zu Ende, also andere Programme schließen"
    ),
    "the worker ended with {how}": "Der Worker endete mit {how}",
    "exit code {code}": "Code {code}",
    "signal {number} ({name})": "Signal {number} ({name})",
    "the worker {what} and has been ended; start again": (
        "Der Worker {what} und wurde beendet; noch einmal starten"
    ),
    "was stopped by a signal from outside": "wurde von außen angehalten",
    "the worker's program '{program}' could not be started ({reason}); {advice}": (
        "Das Programm des Workers „{program}“ ließ sich nicht starten ({reason}); {advice}"
    ),
    "close other programs": "andere Programme schließen",
    "choose a Python interpreter that exists": "ein Python wählen, das es gibt",
    "'{program}' did not answer as a worker does: {reason}": (
        "„{program}“ antwortete nicht, wie ein Worker es tut: {reason}"
    ),
    "{words}; is its Python very slow to start, or something else than Python?": (
        "{words}; startet sein Python sehr langsam, oder ist es etwas anderes?"
    ),
    "the worker did not answer within {seconds} s": (
        "Der Worker antwortete {seconds} s lang nicht"
    ),
    "{size} MB of arrays found no place ({reason}); free some space there or set TMPDIR (TEMP on "
    "Windows) to a roomier folder": (
        "{size} MB Daten fanden keinen Platz ({reason}); dort Platz schaffen oder TMPDIR (unter "
        "Windows TEMP) auf einen Ordner mit mehr Platz setzen"
    ),
    "the worker could not be started: {reason}": "Der Worker ließ sich nicht starten: {reason}",
    "the worker's log {path} cannot be written ({reason}); choose another file": (
        "Das Protokoll des Workers {path} lässt sich nicht schreiben ({reason}); eine andere "
        "Datei wählen"
    ),
    "no thread for the worker could be started ({reason}); close other programs": (
        "Für den Worker ließ sich kein Thread starten ({reason}); andere Programme schließen"
    ),
    "the worker could not be looked after ({reason}); close other programs": (
        "Der Worker war nicht zu überwachen ({reason}); andere Programme schließen"
    ),
    "an answer of the worker could not be taken in: {reason}": (
        "Eine Antwort des Workers ließ sich nicht annehmen: {reason}"
    ),
    "the worker has hy3dgen {found} (protocol {number}), this side has {wanted} (protocol "
    "{other}); install the same version in both places": (
        "Der Worker hat hy3dgen {found} (Protokoll {number}), diese Seite {wanted} (Protokoll "
        "{other}); an beiden Stellen dieselbe Fassung installieren"
    ),
    "the worker was closed while it started": "Der Worker wurde beim Starten beendet",
    "the worker was ended for what it sent ({reason})": (
        "Der Worker wurde beendet für das, was er sandte ({reason})"
    ),
    "the worker has ended": "Der Worker ist zu Ende",
    "reads no more requests": "liest keine Anfragen mehr",
    "the worker's program '{program}' was disturbed while it started": (
        "Das Programm des Workers „{program}“ wurde beim Starten gestört"
    ),
    "{count} requests are waiting already; wait for their results": (
        "{count} Anfragen warten schon; ihre Ergebnisse abwarten"
    ),
    "this worker knows no task '{name}'; it can do {names}": (
        "Dieser Worker kennt keine Aufgabe „{name}“; er kann {names}"
    ),
    "no folder for exchanging arrays could be made ({reason}); set TMPDIR (TEMP on Windows) to a "
    "folder you may write to, or close other programs": (
        "Für den Austausch der Daten ließ sich kein Ordner machen ({reason}); TMPDIR (unter "
        "Windows TEMP) auf einen beschreibbaren Ordner setzen oder andere Programme schließen"
    ),
    "arrays of {size} bytes, the limit is {most}": (
        "Daten von {size} Byte, höchstens {most} sind möglich"
    ),
    "{count} arrays in one message, the limit is {most}": (
        "{count} Arrays in einer Nachricht, höchstens {most} sind möglich"
    ),
}
