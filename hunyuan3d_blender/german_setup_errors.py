# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what may go wrong with an environment, a download, a Python; see `error_words`."""

TEXTS = {
    # --- how far it is ----------------------------------------------------------------------------
    "ask the hub": "Den Hub fragen",
    "check": "Prüfen",
    "check the Python": "Das Python prüfen",
    "check {file}": "{file} prüfen",
    "download {name}": "{name} laden",
    "install {what}, {count} package": "{what} installieren, {count} Paket",
    "install {what}, {count} packages": "{what} installieren, {count} Pakete",
    "look at the Python": "Das Python ansehen",
    "look at this machine": "Diesen Rechner ansehen",
    "look up {name}": "{name} nachschlagen",
    "make environment": "Umgebung erstellen",
    "remove": "Entfernen",
    "remove what was there": "Entfernen, was da war",
    "unpack {name}": "{name} auspacken",
    "wait for another Blender that fetches it": "Auf ein anderes Blender warten, das es lädt",
    "wait for another Blender that is making it": (
        "Auf ein anderes Blender warten, das sie erstellt"
    ),
    # --- what was found ---------------------------------------------------------------------------
    "no environment has been made yet": "Noch ist keine Umgebung erstellt",
    "{folder} holds something else": "{folder} enthält etwas anderes",
    "{python}, which it was made from, is gone; remove it and make it again": (
        "{python}, woraus sie erstellt wurde, ist weg; sie entfernen und neu erstellen"
    ),
    "its Python": "Ihr Python",
    "{done} of 5 steps are done; making it goes on from there": (
        "{done} von 5 Schritten sind getan; es geht dort weiter"
    ),
    "Python {version} with PyTorch {torch} on {device}": (
        "Python {version} mit PyTorch {torch} auf {device}"
    ),
    "Python {version} with PyTorch {torch} on {device} with {memory} GB": (
        "Python {version} mit PyTorch {torch} auf {device} mit {memory} GB"
    ),
    "{words}; it lacks huggingface_hub, so it cannot download models": (
        "{words}; huggingface_hub fehlt, also kann es keine Modelle laden"
    ),
    "{words}; its own hy3dgen {found} is left alone, workers use {wanted} of the extension": (
        "{words}; sein eigenes hy3dgen {found} bleibt, Worker nehmen {wanted} der Erweiterung"
    ),
    "chosen in the preferences": "in den Einstellungen gewählt",
    "this is a Mac with Apple Silicon": "dies ist ein Mac mit Apple-Chip",
    "an AMD card was found": "eine AMD-Karte fand sich",
    "no NVIDIA or AMD card that PyTorch can use was found": (
        "keine NVIDIA- oder AMD-Karte fand sich, die PyTorch nutzen kann"
    ),
    "{card} with driver {driver}": "{card} mit Treiber {driver}",
    "{card} is too old for PyTorch": "{card} ist zu alt für PyTorch",
    "driver {driver} of {card} is too old; update it to {needed} or newer to use the card": (
        "Treiber {driver} für {card} ist zu alt; auf {needed} oder neuer bringen, um die Karte zu "
        "nutzen"
    ),
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
    # --- the disk ---------------------------------------------------------------------------------
    "{what} could not be removed ({reason}); close what uses it, another Blender for example, and "
    "try again": (
        "{what} ließ sich nicht entfernen ({reason}); schließen, was es benutzt, etwa ein anderes "
        "Blender, und noch einmal versuchen"
    ),
    "{what} could not be removed ({reason}); close what uses the model and try again": (
        "{what} ließ sich nicht entfernen ({reason}); schließen, was das Modell benutzt, und noch "
        "einmal versuchen"
    ),
    "{what} could not be written ({reason}); choose another models folder": (
        "{what} ließ sich nicht schreiben ({reason}); einen anderen Modellordner wählen"
    ),
    "{what} could not be written ({reason}); choose another folder": (
        "{what} ließ sich nicht schreiben ({reason}); einen anderen Ordner wählen"
    ),
    "{what} could not be written ({reason}); close what uses the environment, or choose a folder "
    "that can be written to": (
        "{what} ließ sich nicht schreiben ({reason}); schließen, was die Umgebung benutzt, oder "
        "einen beschreibbaren Ordner wählen"
    ),
    "{what} could not be written ({reason}); set HY3DGEN_DATA to a folder that can, or end the "
    "programs whose caches are to be cleared": (
        "{what} ließ sich nicht schreiben ({reason}); HY3DGEN_DATA auf einen beschreibbaren "
        "Ordner setzen oder die Programme beenden, deren Zwischenspeicher geleert werden soll"
    ),
    "the disk of {folder} is full; free some space and start again": (
        "Der Datenträger von {folder} ist voll; Platz schaffen und noch einmal starten"
    ),
    "the disk became full while installing {what}; free some space and start again, it goes on "
    "where it stopped": (
        "Beim Installieren von {what} wurde der Datenträger voll; Platz schaffen und noch einmal "
        "starten, es geht weiter, wo es aufhörte"
    ),
    "the model {name}": "Das Modell {name}",
    "an environment for {name}": "Eine Umgebung für {name}",
    "libraries": "Bibliotheken",
    # --- downloads --------------------------------------------------------------------------------
    "has {size} bytes instead of {wanted}": "hat {size} Byte statt {wanted}",
    "comes without a checksum": "kommt ohne Prüfsumme",
    "arrived with wrong bytes": "kam mit falschen Bytes an",
    "{file} did not arrive": "{file} kam nicht an",
    "the hub's repository {name} has no {folder} any more; get a newer version of this extension, "
    "or use a local folder": (
        "Das Repository {name} des Hubs hat {folder} nicht mehr; eine neuere Fassung der "
        "Erweiterung holen oder einen Ordner nehmen"
    ),
    "the hub does not say how large {name} is; try again later": (
        "Der Hub sagt nicht, wie groß {name} ist; später noch einmal versuchen"
    ),
    "the download ended early ({reason}); start again, it goes on where it stopped": (
        "Das Laden endete vorzeitig ({reason}); noch einmal starten, es geht weiter, wo es aufhörte"
    ),
    "the hub's answer could not be used ({name}: {reason}); try again later": (
        "Die Antwort des Hubs war nicht zu gebrauchen ({name}: {reason}); später noch einmal "
        "versuchen"
    ),
    "the Python {python} lacks huggingface_hub; install it with its pip, or make an environment "
    "in the preferences": (
        "Dem Python {python} fehlt huggingface_hub; mit seinem pip installieren oder in den "
        "Einstellungen eine Umgebung erstellen"
    ),
    "{host} refuses this model without an account that may have it; log in with `hf auth login` "
    "in a terminal, or use a local folder": (
        "{host} gibt dieses Modell nur mit einem Konto heraus, das es haben darf; im Terminal mit "
        "`hf auth login` anmelden oder einen Ordner nehmen"
    ),
    "{host} does not have this model any more; get a newer version of this extension, or use a "
    "local folder": (
        "{host} hat dieses Modell nicht mehr; eine neuere Fassung der Erweiterung holen oder "
        "einen Ordner nehmen"
    ),
    "there is no known model '{name}'; known are {names}": (
        "Ein Modell „{name}“ ist nicht bekannt; bekannt sind {names}"
    ),
    "no model is named; choose one of {names}": (
        "Kein Modell ist genannt; eines davon wählen: {names}"
    ),
    "{name} is under the {licence}, which has not been accepted; read it at {address}": (
        "{name} steht unter der {licence}, die nicht angenommen wurde; sie steht bei {address}"
    ),
    "the folder {folder} holds several models; choose one of {names}": (
        "Der Ordner {folder} enthält mehrere Modelle; eines davon wählen: {names}"
    ),
    "no folder is chosen; choose the folder of a model": (
        "Kein Ordner ist gewählt; den Ordner eines Modells wählen"
    ),
    "make an environment in the extension's preferences": (
        "in den Einstellungen der Erweiterung eine Umgebung erstellen"
    ),
    "make an environment in the extension's preferences and {more}": (
        "in den Einstellungen der Erweiterung eine Umgebung erstellen und {more}"
    ),
    "allow online access in Blender's preferences under System and {more}": (
        "in Blenders Einstellungen unter System den Online-Zugriff erlauben und {more}"
    ),
    "allow online access in Blender's preferences under System": (
        "in Blenders Einstellungen unter System den Online-Zugriff erlauben"
    ),
    "accept the {licence} (read it at {address}; in scripts: accept_licence=True)": (
        "die {licence} annehmen (sie steht bei {address}; in Skripten: accept_licence=True)"
    ),
    # --- packages ---------------------------------------------------------------------------------
    "there is no folder of packages at {folder}; choose another one": (
        "Bei {folder} liegt kein Ordner mit Paketen; einen anderen wählen"
    ),
    "{host} could not be reached while fetching {what}; check the connection or firewall and "
    "start again, it goes on where it stopped": (
        "{host} war beim Holen von {what} nicht zu erreichen; Verbindung oder Firewall prüfen und "
        "noch einmal starten, es geht weiter, wo es aufhörte"
    ),
    "{what} could not be installed ({reason}); the log has the rest": (
        "{what} ließ sich nicht installieren ({reason}); das Protokoll hat den Rest"
    ),
    "pip said nothing": "pip sagte nichts",
    "a package of {what} arrived damaged and was not installed; start again, and if it happens "
    "again ask who runs your network": (
        "Ein Paket von {what} kam beschädigt an und wurde nicht installiert; noch einmal starten, "
        "und wenn es wieder geschieht, nach dem Netzwerk fragen"
    ),
    "{host} refused the request with status {status}; check the address of the package index": (
        "{host} lehnte die Anfrage mit Status {status} ab; die Adresse des Paketindex prüfen"
    ),
    "the connection to {host} is not safe (its certificate is not trusted); check this computer's "
    "date, or ask who runs your network": (
        "Die Verbindung zu {host} ist nicht sicher (seinem Zertifikat wird nicht getraut); das "
        "Datum dieses Rechners prüfen oder nach dem Netzwerk fragen"
    ),
    "{host} has no {what} for this Python and system; choose another Python to make the "
    "environment from, or another package index": (
        "{host} hat kein {what} für dieses Python und System; ein anderes Python für die Umgebung "
        "oder einen anderen Paketindex wählen"
    ),
    "this installation of hy3dgen lacks its list of requirements": (
        "Dieser Installation von hy3dgen fehlt die Liste der nötigen Pakete"
    ),
    "the list of requirements does not pin torch, or names other lists": (
        "Die Liste der nötigen Pakete legt torch nicht fest oder nennt andere Listen"
    ),
    "PyTorch is no longer made for Macs with Intel processors; use the bundled model, which needs "
    "no PyTorch": (
        "PyTorch gibt es für Macs mit Intel-Prozessor nicht mehr; das Modell der Erweiterung "
        "nehmen, das ohne auskommt"
    ),
    "there is no PyTorch build '{name}'; choose {names}": (
        "Eine PyTorch-Fassung „{name}“ gibt es nicht; eine davon wählen: {names}"
    ),
    "the PyTorch build '{name}' is not made for {system}; choose another, or Automatic": (
        "Die PyTorch-Fassung „{name}“ gibt es nicht für {system}; eine andere oder Automatisch "
        "wählen"
    ),
    # --- a Python ---------------------------------------------------------------------------------
    "no Python is chosen; give a Python program, or a virtual environment's folder": (
        "Kein Python ist gewählt; ein Python-Programm oder den Ordner einer virtuellen Umgebung "
        "angeben"
    ),
    "is a link to nothing": "ist eine Verknüpfung ins Leere",
    "{python} is not a Python that works: {said} and ended with code {code}; choose another one": (
        "{python} ist kein Python, das läuft: {said} und endete mit Code {code}; ein anderes wählen"
    ),
    "it printed '{text}'": "es schrieb „{text}“",
    "it printed nothing": "es schrieb nichts",
    "Python {version} at {python} {lacks}": "Python {version} bei {python} {lacks}",
    "the Python {python} {lacks}": "Das Python {python} {lacks}",
    "the new environment {lacks}": "Die neue Umgebung {lacks}",
    "is too old; {version} or newer is needed": "ist zu alt; {version} oder neuer ist nötig",
    "is a 32-bit one; PyTorch needs 64 bits": "ist eines mit 32 Bit; PyTorch braucht 64",
    "lacks {names}; install them with its pip, or choose another one": (
        "hat kein {names}; mit seinem pip installieren oder ein anderes wählen"
    ),
    "cannot load its PyTorch ({reason}); install PyTorch again, or choose another one": (
        "kann sein PyTorch nicht laden ({reason}); PyTorch neu installieren oder ein anderes wählen"
    ),
    "the folder {folder} was not made by this extension and is left alone; remove it yourself": (
        "Der Ordner {folder} ist nicht von dieser Erweiterung und bleibt; ihn selbst entfernen"
    ),
    "the Python {python} could not make a virtual environment ({reason}); choose another Python": (
        "Das Python {python} konnte keine virtuelle Umgebung erstellen ({reason}); ein anderes "
        "Python wählen"
    ),
    "it said nothing": "es sagte nichts",
    "the program {program} could not be started ({reason}); choose a Python interpreter": (
        "Das Programm {program} ließ sich nicht starten ({reason}); ein Python wählen"
    ),
    "the Python at {python} lacks {names}": "Dem Python bei {python} fehlt {names}",
    "{words}, so this worker cannot generate; install them with pip, or choose a Python that has "
    "them": (
        "{words}, also kann dieser Worker nichts erzeugen; mit pip installieren oder ein Python "
        "wählen, das alles hat"
    ),
    "{words}, so this worker takes pictures as arrays only; install the libraries with pip, or "
    "leave the generation Python empty for the bundled model": (
        "{words}, also nimmt dieser Worker keine Bilddateien; die Bibliotheken mit pip "
        "installieren oder das Python zum Erzeugen leer lassen, dann gilt das kleine Modell"
    ),
    "{words}, and runs the bundled model only; choose a Python with PyTorch for the model "
    "{model}": (
        "{words}, und es kann nur das kleine Modell; ein Python mit PyTorch für das Modell "
        "{model} wählen"
    ),
    "this Python cannot load what generation needs ({reason}); install the libraries of "
    "requirements/worker.txt into it": (
        "Dieses Python kann nicht laden, was zum Erzeugen nötig ist ({reason}); die Bibliotheken "
        "aus requirements/worker.txt darin installieren"
    ),
    "the Python at {python} cannot load PyTorch ({reason}), and painting with a model needs it; "
    "choose a Python with PyTorch, or texture from the picture only": (
        "Das Python bei {python} kann PyTorch nicht laden ({reason}), das Malen mit einem Modell "
        "braucht es; ein Python mit PyTorch wählen oder nur aus dem Bild texturieren"
    ),
    "the extension was enabled for this run only, by --addons, so it has no preferences to keep; "
    "enable it in Blender's preferences": (
        "Die Erweiterung wurde mit --addons nur für diesen Lauf eingeschaltet und hat keine "
        "Einstellungen; sie in Blenders Einstellungen einschalten"
    ),
}
