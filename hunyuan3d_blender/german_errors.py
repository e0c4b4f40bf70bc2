# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what may go wrong, as `error_words` finds it in what the worker says.

The values stand in braces, named, for a translation may turn them round. `tests/blender` checks
that the sources say each of these.
"""

LOCALE = "de_DE"

TEXTS = {
    # --- pictures -------------------------------------------------------------------------------
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
    # --- making a mesh --------------------------------------------------------------------------
    "the model made no surface from this picture; try another seed or picture": (
        "Das Modell fand in diesem Bild keine Oberfläche; einen anderen Startwert oder ein anderes "
        "Bild versuchen"
    ),
    "the memory is not enough for this task; use a lower resolution or close others": (
        "Der Speicher reicht nicht für diese Aufgabe; eine kleinere Auflösung nehmen oder andere "
        "Programme schließen"
    ),
    "an unexpected {kind} ended the task ({reason}); the worker's log tells where": (
        "Ein unerwarteter {kind} beendete die Aufgabe ({reason}); das Protokoll des Workers sagt, "
        "wo"
    ),
    # --- the worker -----------------------------------------------------------------------------
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
    # --- meshes ---------------------------------------------------------------------------------
    "there is no mesh to reduce; give at least one mesh object": (
        "Es gibt kein Mesh zum Reduzieren; mindestens ein Mesh-Objekt angeben"
    ),
    "'{name}' has {found} triangles, not more than the {wanted} asked for; ask for fewer": (
        "„{name}“ hat {found} Dreiecke, nicht mehr als die verlangten {wanted}; weniger verlangen"
    ),
    "cannot reduce to {number} faces; ask for {least} or more": (
        "Auf {number} Flächen lässt sich nichts reduzieren; {least} oder mehr verlangen"
    ),
    "cannot reduce to a ratio of {ratio}; ask for more than 0, up to 1": (
        "Auf den Anteil {ratio} lässt sich nichts reduzieren; mehr als 0 und höchstens 1 verlangen"
    ),
    "'{name}' has no faces; select a mesh with faces": (
        "„{name}“ hat keine Flächen; ein Mesh mit Flächen auswählen"
    ),
    "'{name}' is linked from another file; make it local first (Object > Relations)": (
        "„{name}“ ist aus einer anderen Datei verknüpft; erst lokal machen (Objekt > Beziehungen)"
    ),
    "the mesh of '{name}' is a library override; make it local first": (
        "Das Mesh von „{name}“ ist eine Bibliotheks-Überschreibung; erst lokal machen"
    ),
    "the shape keys of '{name}' are absolute, and their times would be lost; turn on Relative "
    "beside them, or remove them first": (
        "Die Formschlüssel von „{name}“ sind absolut, ihre Zeiten gingen verloren; daneben Relativ "
        "einschalten oder sie erst entfernen"
    ),
    "'{name}' has a Multiresolution modifier, whose sculpted detail would be lost; apply it "
    "first": (
        "„{name}“ hat einen Multiresolution-Modifikator, dessen modellierte Einzelheiten verloren "
        "gingen; ihn erst anwenden"
    ),
    "'{name}' has no UV map to keep; choose new UVs": (
        "„{name}“ hat keine UV-Map, die bleiben könnte; neue UVs wählen"
    ),
    "the blend file has not been saved yet, so there is no folder beside it; save it, or store the "
    "texture in the blend file": (
        "Die Blend-Datei ist noch nicht gespeichert, also gibt es keinen Ordner neben ihr; sie "
        "speichern oder die Textur in der Blend-Datei ablegen"
    ),
    "the texture cannot be saved in {folder}; choose to pack it, or save the blend file where "
    "files can be written": (
        "Die Textur lässt sich nicht in {folder} speichern; sie in die Blend-Datei packen oder die "
        "Blend-Datei an einem beschreibbaren Ort speichern"
    ),
    # --- models ---------------------------------------------------------------------------------
    "model folder {folder} does not exist; choose another one, or leave the model empty for the "
    "small one that comes with the extension": (
        "Den Modellordner {folder} gibt es nicht; einen anderen wählen oder das Modell leer "
        "lassen, dann gilt das kleine der Erweiterung"
    ),
    "the model '{name}' is not on this machine and not one that this extension fetches; choose its "
    "folder, or one of the models in the extension's preferences": (
        "Das Modell „{name}“ ist nicht auf diesem Rechner und keines, das diese Erweiterung holt; "
        "seinen Ordner wählen oder eines der Modelle in den Einstellungen der Erweiterung"
    ),
    "the model folder {folder} {what}; choose the folder of a model": (
        "Der Modellordner {folder} {what}; den Ordner eines Modells wählen"
    ),
    "the folder {folder} is not a model: it has neither {config} nor weights; choose the folder "
    "that holds them": (
        "Der Ordner {folder} ist kein Modell: er hat weder {config} noch Gewichte; den Ordner "
        "wählen, in dem sie liegen"
    ),
    "the model folder {folder} has a {config} but no weights; copy one of {names} there": (
        "Der Modellordner {folder} hat {config}, aber keine Gewichte; eine dieser Dateien dorthin "
        "kopieren: {names}"
    ),
    "the model folder {folder} has {weights} but no {config}; copy the one that was published with "
    "it there": (
        "Der Modellordner {folder} hat {weights}, aber kein {config}; das damit veröffentlichte "
        "dorthin kopieren"
    ),
    "{path} is damaged or cut off; download or copy it again.": (
        "{path} ist beschädigt oder abgeschnitten; noch einmal laden oder kopieren."
    ),
    # --- set-up ---------------------------------------------------------------------------------
    "'{title}' is in progress already; wait for its end, or cancel it": (
        "„{title}“ läuft schon; das Ende abwarten oder abbrechen"
    ),
    "{host} could not be reached or stopped sending; check the connection or firewall and start "
    "again, it goes on where it stopped": (
        "{host} war nicht zu erreichen oder sendete nicht weiter; Verbindung oder Firewall prüfen "
        "und noch einmal starten, es geht weiter, wo es aufhörte"
    ),
    "{host} has trouble of its own (status {status}); try again later": (
        "{host} hat selbst Schwierigkeiten (Status {status}); später noch einmal versuchen"
    ),
    "{file} of {model} {what} and was removed; start again, and if it happens again ask who runs "
    "your network": (
        "{file} von {model} {what} und wurde entfernt; noch einmal starten, und wenn es wieder "
        "geschieht, nach dem Netzwerk fragen"
    ),
    "the disk became full; free some space and start again, it goes on where it stopped": (
        "Der Datenträger wurde voll; Platz schaffen und noch einmal starten, es geht weiter, wo es "
        "aufhörte"
    ),
    "the disk of {folder} is full; free some space and start again, it goes on where it stopped": (
        "Der Datenträger von {folder} ist voll; Platz schaffen und noch einmal starten, es geht "
        "weiter, wo es aufhörte"
    ),
    "{what} needs {size} of free space, but the disk of {folder} has {free}; free some, or choose "
    "a folder on another disk": (
        "{what} braucht {size} freien Platz, aber der Datenträger von {folder} hat {free}; Platz "
        "schaffen oder einen Ordner auf einem anderen wählen"
    ),
    "nothing can be written to the folder {folder} ({reason}); choose another one, or free space "
    "on that disk": (
        "In den Ordner {folder} lässt sich nichts schreiben ({reason}); einen anderen wählen oder "
        "dort Platz schaffen"
    ),
    "packages would come from the internet, but online access is off; allow it in Blender's System "
    "preferences, or choose folders of packages": (
        "Die Pakete kämen aus dem Internet, aber der Online-Zugriff ist aus; ihn in Blenders "
        "Einstellungen unter System erlauben oder Ordner mit Paketen wählen"
    ),
    "the folder {folder} holds other files; choose another place for the environment": (
        "Der Ordner {folder} enthält andere Dateien; einen anderen Ort für die Umgebung wählen"
    ),
    "another Blender is making this environment; cancel it there first": (
        "Ein anderes Blender erstellt diese Umgebung gerade; erst dort abbrechen"
    ),
    "the Python {python} {what}; choose another one": (
        "Das Python {python} {what}; ein anderes wählen"
    ),
    "the folder {folder} has no Python in it; choose a Python program, or the folder of a virtual "
    "environment": (
        "Im Ordner {folder} ist kein Python; ein Python-Programm oder den Ordner einer virtuellen "
        "Umgebung wählen"
    ),
    "{python} did not answer within {seconds} s; is it a Python?": (
        "{python} antwortete {seconds} s lang nicht; ist es ein Python?"
    ),
    "the Python {python} cannot make virtual environments, because its ensurepip is missing; "
    "install it (on Debian and Ubuntu: python3-venv), or choose another Python": (
        "Das Python {python} kann keine virtuellen Umgebungen erstellen, weil ensurepip fehlt; es "
        "installieren (Debian und Ubuntu: python3-venv) oder ein anderes Python wählen"
    ),
}
