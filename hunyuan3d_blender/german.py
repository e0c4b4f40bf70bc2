# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what an artist reads, by what stands in the sources. `tests/blender` finds gaps."""

LOCALE = "de_DE"

TEXTS = {
    # --- generate -------------------------------------------------------------------------------
    "Mesh from Picture": "Mesh aus Bild",
    "Mesh from Picture…": "Mesh aus Bild …",
    "Mesh from {picture}": "Mesh aus {picture}",
    "Mesh from {picture}, seed {seed}": "Mesh aus {picture}, Startwert {seed}",
    "Make a mesh from a picture of one object and put it at the 3D cursor": (
        "Aus dem Bild eines Objekts ein Mesh machen und an den 3D-Cursor setzen"
    ),
    "Generate": "Generieren",
    "Generate {number}": "{number} generieren",
    "Advanced": "Erweitert",
    "Faster": "Schneller",
    "Better": "Besser",
    "Faster - Better": "Schneller - Besser",
    "Choose a picture of one object, or paste one from the clipboard": (
        "Das Bild eines Objekts wählen oder aus der Zwischenablage einfügen"
    ),
    "There is no such picture file": "Diese Bilddatei gibt es nicht",
    "This is a folder; choose a picture file in it": (
        "Dies ist ein Ordner; eine Bilddatei darin wählen"
    ),
    "This file cannot be read; check its permissions": (
        "Diese Datei ist nicht lesbar; ihre Rechte prüfen"
    ),
    "This file is empty; save or copy the picture again": (
        "Diese Datei ist leer; das Bild noch einmal speichern oder kopieren"
    ),
    "This is no picture that can be read; choose a PNG or JPEG file": (
        "Dies ist kein lesbares Bild; eine PNG- oder JPEG-Datei wählen"
    ),
    "This picture is damaged or cut off; save or copy it again": (
        "Dieses Bild ist beschädigt oder abgeschnitten; noch einmal speichern oder kopieren"
    ),
    "PNG or JPEG": "PNG oder JPEG",
    "Other Views of the Same Object": "Weitere Ansichten desselben Objekts",
    "0 leaves a setting to the slider and the model": (
        "0 überlässt eine Einstellung dem Regler und dem Modell"
    ),
    "model's own": "wie im Modell",
    "Steps and grid as the model has them": "Schritte und Gitter wie im Modell",
    "{steps} steps, grid of {resolution}": "{steps} Schritte, Gitter {resolution}",
    "Estimate: {steps} steps, grid of {resolution}": (
        "Geschätzt: {steps} Schritte, Gitter {resolution}"
    ),
    "about {time}": "etwa {time}",
    "Accept Licence": "Lizenz annehmen",
    "For scripts: I have read and accept the licence of the model, which may be downloaded": (
        "Für Skripte: Ich habe die Lizenz des Modells gelesen und nehme sie an; es darf "
        "geladen werden"
    ),
    "Name of an image in this blend file, instead of a picture file": (
        "Name eines Bildes in dieser Blend-Datei, an Stelle einer Bilddatei"
    ),
    "'{name}': {faces} faces in {seconds} s": "„{name}“: {faces} Flächen in {seconds} s",
    # --- settings -------------------------------------------------------------------------------
    "Picture From": "Bild aus",
    "File": "Datei",
    "A picture file": "Eine Bilddatei",
    "Image": "Bild",
    "An image of this blend file, painted or rendered for example": (
        "Ein Bild dieser Blend-Datei, zum Beispiel gemalt oder gerendert"
    ),
    "Image of one object, best before a plain or transparent background": (
        "Bild eines Objekts, am besten vor einfarbigem oder durchsichtigem Hintergrund"
    ),
    "Picture": "Bild",
    "Picture of one object, best before a plain or transparent background": (
        "Bild eines Objekts, am besten vor einfarbigem oder durchsichtigem Hintergrund"
    ),
    "Left": "Links",
    "Picture of the object's left side, for multi-view models": (
        "Bild der linken Seite des Objekts, für Modelle mit mehreren Ansichten"
    ),
    "Back": "Hinten",
    "Picture of the object from behind, for multi-view models": (
        "Bild des Objekts von hinten, für Modelle mit mehreren Ansichten"
    ),
    "Right": "Rechts",
    "Picture of the object's right side, for multi-view models": (
        "Bild der rechten Seite des Objekts, für Modelle mit mehreren Ansichten"
    ),
    "How much time a mesh may take: to the left it comes soon, to the right it gets more sampling "
    "steps and a finer grid. The numbers are solved from what this computer was measured to do "
    "with the model": (
        "Wie viel Zeit ein Mesh brauchen darf: links kommt es bald, rechts bekommt es mehr "
        "Schritte und ein feineres Gitter. Die Zahlen folgen aus dem, was dieser Computer mit dem "
        "Modell gemessen leistet"
    ),
    "Model": "Modell",
    "Folder of a model in the Hunyuan3D-2 layout, or its name on the hub. Empty: the small model "
    "that comes with this extension": (
        "Ordner eines Modells, aufgebaut wie Hunyuan3D-2, oder sein Name auf dem Hub. Leer: das "
        "kleine Modell, das zu dieser Erweiterung gehört"
    ),
    "Seed": "Startwert",
    "Start of the random numbers; the same seed gives the same shape again": (
        "Anfang der Zufallszahlen; derselbe Startwert gibt dieselbe Form noch einmal"
    ),
    "Steps": "Schritte",
    "Sampling steps; more are slower and finer. 0: the model's default": (
        "Schritte; mehr sind langsamer und feiner. 0: wie im Modell"
    ),
    "Guidance": "Bildtreue",
    "How closely the shape follows the picture. 0: the model's default": (
        "Wie eng die Form dem Bild folgt. 0: wie im Modell"
    ),
    "Resolution": "Auflösung",
    "Cells along one side of the grid that the shape is read from. 0: the model's default": (
        "Zellen entlang einer Seite des Gitters, aus dem die Form gelesen wird. 0: wie im Modell"
    ),
    "Faces": "Flächen",
    "Triangles the new mesh is reduced to. 0: keep all": (
        "Dreiecke, auf die das neue Mesh reduziert wird. 0: alle behalten"
    ),
    "Speed Priority": "Vorrang der Geschwindigkeit",
    "Chooses steps, resolution and guidance where those are 0, by what this computer was measured "
    "to do: from 0, best, to 1, fastest. Below 0: the model's defaults": (
        "Wählt Schritte, Auflösung und Bildtreue, wo diese 0 sind, nach dem, was dieser Computer "
        "gemessen leistet: von 0, am besten, bis 1, am schnellsten. Unter 0: wie im Modell"
    ),
    "Batch": "Anzahl",
    "How many meshes to make of the picture, with one seed after the other": (
        "Wie viele Meshes aus dem Bild gemacht werden, mit einem Startwert nach dem anderen"
    ),
    # --- picture, seed, model -------------------------------------------------------------------
    "Paste Picture": "Bild einfügen",
    "Take the picture that is in the clipboard, or the file whose path is there": (
        "Das Bild aus der Zwischenablage nehmen oder die Datei, deren Pfad darin steht"
    ),
    "The clipboard holds no picture that Blender can read; copy a picture, or the path "
    "of a picture "
    "file": (
        "In der Zwischenablage ist kein Bild, das Blender lesen kann; ein Bild kopieren oder den "
        "Pfad einer Bilddatei"
    ),
    "Roll the Dice": "Würfeln",
    "Choose a random seed, for another shape from the same picture": (
        "Einen zufälligen Startwert wählen, für eine andere Form aus demselben Bild"
    ),
    "Pick Model": "Modell wählen",
    "Use this model for the next meshes of this scene": (
        "Dieses Modell für die nächsten Meshes dieser Szene benutzen"
    ),
    "Pick Model Folder": "Modellordner wählen",
    "Use a model in a folder of yours for the next meshes of this scene": (
        "Ein Modell aus einem eigenen Ordner für die nächsten Meshes dieser Szene benutzen"
    ),
    "A folder, or a published name. Empty: the preferences' model": (
        "Ein Ordner oder ein veröffentlichter Name. Leer: das Modell der Einstellungen"
    ),
    "Folder": "Ordner",
    "Folder…": "Ordner …",
    "Folder with a config.yaml and weights in the Hunyuan3D-2 layout": (
        "Ordner mit config.yaml und Gewichten, aufgebaut wie Hunyuan3D-2"
    ),
    "Model that makes the mesh": "Modell, das das Mesh macht",
    "As in the Preferences: {name}": "Wie in den Einstellungen: {name}",
    "Small": "Klein",
    "Small, comes with the extension": "Klein, gehört zur Erweiterung",
    "Get More Models…": "Mehr Modelle …",
    "Models and Python…": "Modelle und Python …",
    "This model needs PyTorch; make an environment in the preferences first": (
        "Dieses Modell braucht PyTorch; zuerst in den Einstellungen eine Umgebung anlegen"
    ),
    "This model is not on this machine; get it in the preferences": (
        "Dieses Modell ist nicht auf diesem Rechner; in den Einstellungen laden"
    ),
    # --- reduce ---------------------------------------------------------------------------------
    "Reduce Faces": "Flächen reduzieren",
    "Reduce the triangles of each selected mesh, staying close to its surface. Keeps the "
    "object, its "
    "transform and modifiers, and UV maps, colors, weights, shape keys and other attributes": (
        "Die Dreiecke jedes gewählten Meshs verringern und nahe an seiner Oberfläche bleiben. Das "
        "Objekt, seine Lage und Modifikatoren, UV-Karten, Farben, Gewichte, Formschlüssel und "
        "andere Attribute bleiben"
    ),
    "'{name}' is not a mesh; select at least one mesh": (
        "„{name}“ ist kein Mesh; mindestens ein Mesh wählen"
    ),
    "Nothing is selected; select at least one mesh": (
        "Nichts ist gewählt; mindestens ein Mesh wählen"
    ),
    "Method": "Verfahren",
    "Quality": "Qualität",
    "Stays closest to the surface; takes longer": (
        "Bleibt am nächsten an der Oberfläche; dauert länger"
    ),
    "Fast": "Schnell",
    "For very large meshes": "Für sehr große Meshes",
    "Preview": "Vorschau",
    "Soonest there; less exact on flat shapes": (
        "Am schnellsten da; auf flachen Formen weniger genau"
    ),
    "By Ratio": "Nach Verhältnis",
    "Reduce each mesh to a share of its own triangles instead of to one number": (
        "Jedes Mesh auf einen Anteil seiner Dreiecke reduzieren statt auf eine feste Zahl"
    ),
    "Triangles that each selected mesh is reduced to": (
        "Dreiecke, auf die jedes gewählte Mesh reduziert wird"
    ),
    "Ratio": "Verhältnis",
    "Share of its triangles that each selected mesh keeps": (
        "Anteil seiner Dreiecke, den jedes gewählte Mesh behält"
    ),
    "Keep Original": "Original behalten",
    "Leave a hidden copy of each object as it was, at the same place": (
        "Von jedem Objekt eine verborgene Kopie, wie es war, am selben Ort lassen"
    ),
    "Select one or more meshes to reduce them": (
        "Ein oder mehrere Meshes wählen, um sie zu reduzieren"
    ),
    "Selected: {faces} triangles": "Gewählt: {faces} Dreiecke",
    "Selected: {faces} triangles in {number} meshes": (
        "Gewählt: {faces} Dreiecke in {number} Meshes"
    ),
    "Will be: {faces} triangles": "Danach: {faces} Dreiecke",
    "Small enough already": "Schon klein genug",
    "Reduce {names}": "{names} reduzieren",
    "Reduce {number} meshes": "{number} Meshes reduzieren",
    "{number} meshes": "{number} Meshes",
    "{subject}: {before} to {after} faces": "{subject}: von {before} auf {after} Flächen",
    "'{name}' has {reached} faces, not the {wanted} asked for: its parts, holes, borders and seams "
    "allow no fewer": (
        "„{name}“ hat {reached} Flächen statt der gewünschten {wanted}: weniger lassen "
        "seine Teile, "
        "Löcher, Ränder und Nähte nicht zu"
    ),
    "'{name}' has {reached} faces; {wanted} were asked for": (
        "„{name}“ hat {reached} Flächen; gewünscht waren {wanted}"
    ),
    "'{name}' was changed or removed meanwhile; the result is a new object": (
        "„{name}“ wurde inzwischen geändert oder entfernt; das Ergebnis ist ein neues Objekt"
    ),
    "'{name}' does not keep {what}, which lies on most edges": (
        "„{name}“ behält {what} nicht, das auf den meisten Kanten liegt"
    ),
    "'{name}': the custom normals part most faces, so it is shaded flat instead": (
        "„{name}“: die eigenen Normalen trennen die meisten Flächen, darum ist es nun "
        "flach schattiert"
    ),
    "'{name}': {what} jumps at most edges, so it fits only roughly now": (
        "„{name}“: {what} springt an den meisten Kanten und passt nun nur noch ungefähr"
    ),
    "Left alone, not a mesh: {names}": "Nicht angerührt, kein Mesh: {names}",
    "The mesh '{mesh}' is shared: all its {users} objects changed": (
        "Das Mesh „{mesh}“ wird geteilt: alle {users} Objekte haben sich geändert"
    ),
    # --- jobs -----------------------------------------------------------------------------------
    "Jobs": "Aufträge",
    "Job": "Auftrag",
    "0: every job": "0: alle Aufträge",
    "No jobs yet. What you start shows here how far it is": (
        "Noch keine Aufträge. Was gestartet ist, zeigt hier, wie weit es ist"
    ),
    "all": "alle",
    "none": "keine",
    "Cancel Job": "Auftrag abbrechen",
    "Cancel All": "Alle abbrechen",
    "Cancel Hunyuan3D Jobs": "Hunyuan3D-Aufträge abbrechen",
    "Stop the work in progress; the scene stays as it is": (
        "Die laufende Arbeit abbrechen; die Szene bleibt, wie sie ist"
    ),
    "Nothing is running": "Nichts läuft",
    "No job has ended yet": "Noch kein Auftrag ist zu Ende",
    "Try Again": "Noch einmal",
    "Do this job once more, with the same settings and at the same place": (
        "Diesen Auftrag noch einmal ausführen, mit denselben Einstellungen und am selben Ort"
    ),
    "This job cannot be done again; start a new one": (
        "Dieser Auftrag lässt sich nicht wiederholen; einen neuen beginnen"
    ),
    "Remove from List": "Aus der Liste nehmen",
    "Take this job off the list; what it made stays. With Ctrl: all that have ended": (
        "Diesen Auftrag aus der Liste nehmen; was er gemacht hat, bleibt. Mit Strg: alle beendeten"
    ),
    "Clear List": "Liste leeren",
    "Clear List, {number} More": "Liste leeren, {number} weitere",
    "Go to Object Mode to see the result": "In den Objektmodus gehen, um das Ergebnis zu sehen",
    "Waiting for the tool in use": "Wartet auf das benutzte Werkzeug",
    "Keep Preview": "Vorschau behalten",
    "Preview of {name}": "Vorschau von {name}",
    "Preparing the picture": "Bild vorbereiten",
    "Unwrapping": "Abwickeln",
    "Finding the view": "Ansicht suchen",
    "Laying the picture on": "Bild auflegen",
    "Bringing the texture to all faces": "Textur auf alle Flächen bringen",
    "Taking the light away": "Licht entfernen",
    "Drawing the views": "Ansichten zeichnen",
    "Painting the views": "Ansichten malen",
    "Baking": "Backen",
    "Filling in the rest": "Rest ausfüllen",
    "Measuring this computer": "Dieser Computer wird gemessen",
    "Loading the model": "Modell laden",
    "Looking at the picture": "Bild ansehen",
    "Finding the shape": "Form finden",
    "Building the surface": "Oberfläche bauen",
    "Making triangles": "Dreiecke machen",
    "Cleaning up": "Aufräumen",
    "Reducing faces": "Flächen reduzieren",
    "Waiting": "Wartet",
    "Starting the worker": "Worker startet",
    "Handing over": "Übergibt",
    "Running": "Läuft",
    "Cancelling": "Bricht ab",
    "Ready": "Bereit",
    "Reading the mesh": "Mesh lesen",
    "Writing the mesh": "Mesh schreiben",
    "Done": "Fertig",
    "Failed": "Fehlgeschlagen",
    "Cancelled": "Abgebrochen",
    "of {name}": "von {name}",
    "{time} so far": "bisher {time}",
    "about {time} left": "noch etwa {time}",
    "{time} left in this step": "noch {time} in diesem Schritt",
    "{time} left": "noch {time}",
    "{done} of {total}": "{done} von {total}",
    # --- status ---------------------------------------------------------------------------------
    "Status": "Status",
    "Start": "Starten",
    "Stop": "Anhalten",
    "Log": "Protokoll",
    "Start Worker": "Worker starten",
    "Start the worker now, so that the first job need not wait for it": (
        "Den Worker jetzt starten, damit der erste Auftrag nicht auf ihn warten muss"
    ),
    "Stop Worker": "Worker anhalten",
    "End the workers and cancel what they do. Frees their memory, that of the GPU too": (
        "Die Worker beenden und abbrechen, was sie tun. Gibt ihren Speicher frei, auch den der GPU"
    ),
    "No worker is running": "Kein Worker läuft",
    "Generation: no worker yet; the first job starts it": (
        "Generieren: noch kein Worker; der erste Auftrag startet ihn"
    ),
    "The worker starts…": "Der Worker startet …",
    "Generation: ready, Python {version}": "Generieren: bereit, Python {version}",
    "Texture cache: {size} MB": "Texturen gemerkt: {size} MB",
    "Texture Cache": "Texturen-Zwischenspeicher",
    "Clear": "Leeren",
    "Clear Texture Cache": "Texturen-Zwischenspeicher leeren",
    "Forget what workers keep in memory for a second texture of the same mesh or picture": (
        "Vergessen, was die Worker für eine zweite Textur desselben Meshes oder Bildes "
        "im Speicher halten"
    ),
    "Nothing is kept": "Es ist nichts aufgehoben",
    "A worker is busy; clear its cache when it is done": (
        "Ein Worker hat zu tun; seinen Zwischenspeicher danach leeren"
    ),
    "Reduction and textures: ready": "Reduzieren und Texturen: bereit",
    "Device: {name}": "Gerät: {name}",
    "this computer's processor": "Prozessor dieses Rechners",
    "Memory: {free} of {total} free": "Speicher: {free} von {total} frei",
    "Graphics memory: {free} of {total} free": "Grafikspeicher: {free} von {total} frei",
    "It will use Blender's own Python": "Er wird Blenders eigenes Python benutzen",
    "It will use {python}": "Er wird {python} benutzen",
    # --- preferences ----------------------------------------------------------------------------
    "Python for Generation": "Python zum Generieren",
    "Generation Python": "Python zum Generieren",
    "Python with PyTorch for other models and for speed, for example the one inside a virtual "
    "environment. Empty: Blender's own Python runs the bundled model": (
        "Python mit PyTorch, für andere Modelle und schneller, zum Beispiel aus einer virtuellen "
        "Umgebung. Leer: das kleine Modell läuft unter Blenders eigenem Python"
    ),
    "Works as it is for the small bundled model, on this computer's processor. The "
    "models below need "
    "PyTorch: make an environment, or choose a Python that has it.": (
        "Das kleine Modell läuft so, wie es ist, auf dem Prozessor dieses Rechners. Die Modelle "
        "unten brauchen PyTorch: eine Umgebung anlegen oder ein Python wählen, das es hat."
    ),
    "Generation uses {python}": "Zum Generieren dient {python}",
    "Generation uses the environment: {sentence}": "Zum Generieren dient die Umgebung: {sentence}",
    "Python of Yours": "Eigenes Python",
    "Check": "Prüfen",
    "Check the Python": "Das Python prüfen",
    "Use This Python": "Dieses Python benutzen",
    "Check whether a Python has all that generation needs, and use it if so": (
        "Prüfen, ob ein Python alles zum Generieren hat, und es dann benutzen"
    ),
    "A Python program, or the folder of a virtual environment": (
        "Ein Python-Programm oder der Ordner einer virtuellen Umgebung"
    ),
    "Environment": "Umgebung",
    "Environment Folder": "Ordner der Umgebung",
    "Where the environment with PyTorch is made. Empty: in the folder for this user's data, where "
    "all Blenders find it": (
        "Wo die Umgebung mit PyTorch entsteht. Leer: im Ordner für die Daten dieses Benutzers, wo "
        "jedes Blender sie findet"
    ),
    "Make Environment": "Umgebung anlegen",
    "Make Environment…": "Umgebung anlegen …",
    "Make the environment": "Umgebung anlegen",
    "Make an environment with the PyTorch that fits this machine, or go on making it. Packages are "
    "downloaded; Blender's own Python stays as it is": (
        "Eine Umgebung mit dem PyTorch anlegen, das zu diesem Rechner passt, oder damit "
        "fortfahren. "
        "Pakete werden geladen; Blenders eigenes Python bleibt, wie es ist"
    ),
    "Continue…": "Fortfahren …",
    "Remove": "Entfernen",
    "Remove Environment": "Umgebung entfernen",
    "Remove the environment": "Umgebung entfernen",
    "Delete the environment that was made here, and what an interrupted making left": (
        "Die hier angelegte Umgebung löschen, auch Reste eines abgebrochenen Anlegens"
    ),
    "The environment is removed; {size} are free again": (
        "Die Umgebung ist entfernt; {size} sind wieder frei"
    ),
    "{size} in {folder}": "{size} in {folder}",
    "PyTorch For": "PyTorch für",
    "Automatic": "Automatisch",
    "What fits this machine": "Was zu diesem Rechner passt",
    "Where it is made. Empty: the folder in the preferences": (
        "Wo sie angelegt wird. Leer: der Ordner der Einstellungen"
    ),
    "Sources": "Quellen",
    "Made From": "Angelegt aus",
    "The Python it is made from. Empty: Blender's own": (
        "Das Python, aus dem sie entsteht. Leer: Blenders eigenes"
    ),
    "Blender's own": "Blenders eigenes",
    "Packages": "Pakete",
    "Address of a package index, or a folder of wheels, which needs no network. Empty: where pip "
    "looks on this machine": (
        "Adresse eines Paketverzeichnisses oder ein Ordner mit Wheels, der kein Netz "
        "braucht. Leer: "
        "wo pip auf diesem Rechner sucht"
    ),
    "Address of a package index with PyTorch, or a folder of wheels. Empty: where PyTorch is "
    "published": (
        "Adresse eines Paketverzeichnisses mit PyTorch oder ein Ordner mit Wheels. Leer: "
        "wo PyTorch "
        "veröffentlicht ist"
    ),
    "Looking at this machine…": "Sieht sich diesen Rechner an …",
    "PyTorch for {build}: {reason}": "PyTorch für {build}: {reason}",
    "Needs up to {size} of space; {free} are free": "Braucht bis zu {size} Platz; {free} sind frei",
    "Online access is off; allow it under System, or give folders of packages": (
        "Der Netzzugang ist aus; unter System erlauben oder Ordner mit Paketen angeben"
    ),
    "Models": "Modelle",
    "Models Folder": "Ordner der Modelle",
    "Where downloaded models are kept. Empty: where other programs for Hunyuan3D-2 look "
    "for them, too": (
        "Wo geladene Modelle liegen. Leer: wo auch andere Programme für Hunyuan3D-2 sie suchen"
    ),
    "Default Model": "Übliches Modell",
    "Model of everything that names none: a folder or a published name. Empty: the small "
    "model that "
    "comes with this extension": (
        "Modell für alles, was keines nennt: ein Ordner oder ein veröffentlichter Name. Leer: das "
        "kleine Modell, das zu dieser Erweiterung gehört"
    ),
    "Download": "Laden",
    "Download…": "Laden …",
    "Download {name}": "{name} laden",
    "Download {size}; {free} are free": "{size} laden; {free} sind frei",
    "Download Model": "Modell laden",
    "Download a published model from Hugging Face, check it, and keep it in the models folder": (
        "Ein veröffentlichtes Modell von Hugging Face laden, prüfen und im Ordner der "
        "Modelle behalten"
    ),
    "Name of a published model, as in the preferences: 2mini Turbo, for example": (
        "Name eines veröffentlichten Modells wie in den Einstellungen, zum Beispiel 2mini Turbo"
    ),
    "Name of a published model, as in the preferences. Empty: the bundled one": (
        "Name eines veröffentlichten Modells wie in den Einstellungen. Leer: das beiliegende"
    ),
    "{name} is here already, in {folder}": "{name} ist schon da, in {folder}",
    "{name} is in {folder}": "{name} ist in {folder}",
    "Continue, {size} are here": "Fortfahren, {size} sind da",
    "I have read the licence and accept it": "Ich habe die Lizenz gelesen und nehme sie an",
    "Asked once for each licence": "Wird für jede Lizenz einmal gefragt",
    "Read It": "Lesen",
    "Remove Model": "Modell entfernen",
    "Remove {name}": "{name} entfernen",
    "Delete {name} from this machine": "{name} von diesem Rechner löschen",
    "Delete every copy of a published model on this machine, a part of a download too": (
        "Jede Kopie eines veröffentlichten Modells auf diesem Rechner löschen, auch angefangene"
    ),
    "{name} is removed; {size} are free again": "{name} ist entfernt; {size} sind wieder frei",
    "Use This Model": "Dieses Modell benutzen",
    "Use this model wherever none is named": "Dieses Modell benutzen, wo keines genannt ist",
    "Use a Model Folder": "Modellordner benutzen",
    "Use a Folder…": "Ordner benutzen …",
    "Use a model in a folder of yours wherever none is named": (
        "Ein Modell aus einem eigenen Ordner benutzen, wo keines genannt ist"
    ),
    "The model in {folder} is used wherever none is named": (
        "Das Modell in {folder} wird benutzt, wo keines genannt ist"
    ),
    "The marked model is used wherever none is named.": (
        "Das markierte Modell wird benutzt, wo keines genannt ist."
    ),
    "For textures; choose one under Texture from Picture": (
        "Für Texturen; zu wählen unter Textur aus Bild"
    ),
    "Use {name}": "{name} benutzen",
    "GPU Memory": "GPU-Speicher",
    "Licence": "Lizenz",
    "On This Machine": "Auf diesem Rechner",
    "Comes with the extension": "Gehört zur Erweiterung",
    "Your Folder": "Eigener Ordner",
    "To download, allow online access under System. A model in a folder works offline.": (
        "Zum Laden unter System den Netzzugang erlauben. Ein Modell in einem Ordner geht ohne Netz."
    ),
    "To download, make an environment or choose a Python first.": (
        "Zum Laden zuerst eine Umgebung anlegen oder ein Python wählen."
    ),
    "Behaviour": "Verhalten",
    "Close Idle Workers": "Untätige Worker beenden",
    "After Minutes": "Nach Minuten",
    "Keep Workers For": "Worker behalten für",
    "Minutes after which an unused worker is closed and its memory is free again. Until then the "
    "next job starts without loading the model": (
        "Minuten, nach denen ein unbenutzter Worker endet und sein Speicher wieder frei ist. Bis "
        "dahin beginnt der nächste Auftrag, ohne das Modell zu laden"
    ),
    "GPU Memory Limit": "Grenze für GPU-Speicher",
    "Gigabytes, 0 for All": "Gigabyte, 0 für alles",
    "Gigabytes of an NVIDIA GPU that making a mesh may use; weights then come from main memory "
    "when they are needed. 0: all that is free": (
        "Gigabyte einer NVIDIA-GPU, die ein Mesh brauchen darf; Gewichte kommen dann aus dem "
        "Arbeitsspeicher, wenn sie gebraucht werden. 0: alles, was frei ist"
    ),
    "Preview in the 3D View": "Vorschau in der 3D-Ansicht",
    "Coarse meshes in the 3D view while a mesh is being made": (
        "Grobe Meshes in der 3D-Ansicht, während ein Mesh entsteht"
    ),
    "None": "Keine",
    "Show a mesh when it is done": "Ein Mesh zeigen, wenn es fertig ist",
    "Show": "Zeigen",
    "Show what is found so far; it goes away if the job is cancelled": (
        "Zeigen, was gefunden ist; es verschwindet, wenn der Auftrag abgebrochen wird"
    ),
    "Show and Keep": "Zeigen und behalten",
    "Show what is found so far; it stays if the job is cancelled": (
        "Zeigen, was gefunden ist; es bleibt, wenn der Auftrag abgebrochen wird"
    ),
    "Worker Logs": "Protokolle der Worker",
    "Open Folder": "Ordner öffnen",
    # --- texture ----------------------------------------------------------------------------------
    "Texture from Picture": "Textur aus Bild",
    "Texture from Picture…": "Textur aus Bild …",
    "Texture of {names}": "Textur von {names}",
    "Texture of {number} meshes": "Textur von {number} Meshes",
    (
        "Give each selected mesh the colours of a picture. Without a model it is laid on "
        "from the side that it shows, and the far side filled from what is next to it"
    ): (
        "Jedem ausgewählten Mesh die Farben eines Bildes geben. Ohne Modell wird es von "
        "der Seite aufgelegt, die es zeigt, und die andere Seite aus der Umgebung "
        "gefüllt"
    ),
    "Texture": "Textur",
    "Pixels along a side of a texture in the colors of the picture. 0: none": (
        "Pixel entlang einer Seite einer Textur in den Farben des Bildes. 0: keine"
    ),
    "Choose a picture of the selected object": "Ein Bild des ausgewählten Objekts wählen",
    "Paint": "Bemalen",
    "From picture only": "Nur aus dem Bild",
    "Picture of the object, best before a plain or transparent background": (
        "Bild des Objekts, am besten vor einfarbigem oder transparentem Hintergrund"
    ),
    (
        "Folder with hunyuan3d-delight-v2-0 and hunyuan3d-paint-v2-0-turbo, or the name "
        "of a downloaded model; its networks paint all sides, with PyTorch and a GPU. "
        "Empty: from the picture only, without a model"
    ): (
        "Ordner mit hunyuan3d-delight-v2-0 und hunyuan3d-paint-v2-0-turbo, oder der Name "
        "eines geladenen Modells; dessen Netze malen alle Seiten, mit PyTorch und einer "
        "GPU. Leer: nur aus dem Bild, ohne Modell"
    ),
    "Start of the random numbers of a model; from the picture only there are none": (
        "Anfang der Zufallszahlen eines Modells; nur aus dem Bild gibt es keine"
    ),
    "Size": "Größe",
    "Pixels along a side of the texture": "Pixel entlang einer Seite der Textur",
    "UVs": "UVs",
    "Where on the texture each face is": "Wo auf der Textur jede Fläche liegt",
    "Keep If There": "Vorhandene behalten",
    "Use the active UV map; make one where there is none": (
        "Die aktive UV-Map nehmen; eine machen, wo keine ist"
    ),
    "Keep": "Behalten",
    "Use the active UV map": "Die aktive UV-Map nehmen",
    "New": "Neu",
    "Unwrap from six sides into a UV map of its own": (
        "Von sechs Seiten in eine eigene UV-Map abwickeln"
    ),
    "Large Meshes": "Große Meshes",
    "How a mesh of more than 200,000 faces is painted if it gets a new UV map": (
        "Wie ein Mesh mit über 200.000 Flächen bemalt wird, wenn es eine neue UV-Map bekommt"
    ),
    "Paint a Reduced Copy": "Reduzierte Kopie bemalen",
    "A copy with 40,000 faces; the mesh is hidden": (
        "Eine Kopie mit 40.000 Flächen; das Mesh wird ausgeblendet"
    ),
    "Paint All Faces": "Alle Flächen bemalen",
    "The texture of a reduced copy is brought to the mesh itself, which takes longer": (
        "Die Textur einer reduzierten Kopie wird auf das Mesh selbst gebracht; das dauert länger"
    ),
    "'{name}' has {many} faces: a copy with {few} was painted, and it was hidden": (
        "'{name}' hat {many} Flächen: eine Kopie mit {few} wurde bemalt, und es wurde ausgeblendet"
    ),
    "Store": "Speichern",
    "In Blend File": "In der Blend-Datei",
    "The image is packed into the blend file": "Das Bild wird in die Blend-Datei gepackt",
    "Beside Blend File": "Neben der Blend-Datei",
    "A PNG file in the blend file's folder": "Eine PNG-Datei im Ordner der Blend-Datei",
    "'{name}' was changed or removed meanwhile, so it was not painted; start again": (
        "'{name}' wurde inzwischen geändert oder entfernt und deshalb nicht bemalt; noch "
        "einmal starten"
    ),
    "'{name}' had other materials, now not used: {names}": (
        "'{name}' hatte andere Materialien, die nun nicht verwendet werden: {names}"
    ),
    "{share} % of the UVs of '{name}' lie on others and share colours; try new UVs": (
        "{share} % der UVs von '{name}' liegen auf anderen und teilen Farben; neue UVs helfen"
    ),
    "The picture's outline fits '{name}' to {share} % only; does it show that object?": (
        "Der Umriss des Bildes passt nur zu {share} % zu '{name}'; zeigt es dieses Objekt?"
    ),
    "'{name}': painted with seed {seed} in {seconds} s": (
        "'{name}': bemalt mit Seed {seed} in {seconds} s"
    ),
    (
        "'{name}': {shown} % from the picture, {mirrored} % mirrored, the rest filled "
        "in; {seconds} s"
    ): "'{name}': {shown} % aus dem Bild, {mirrored} % gespiegelt, der Rest gefüllt; {seconds} s",
    "The mesh of '{name}' is used {number} times; all are painted": (
        "Das Mesh von '{name}' wird {number}-mal verwendet; alle werden bemalt"
    ),
}
