# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what may be wrong with a mesh, its attributes and its texture; see `error_words`."""

TEXTS = {
    # --- meshes -----------------------------------------------------------------------------------
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
    "'{name}' was removed while it was read; select a mesh and start again": (
        "„{name}“ wurde entfernt, während es gelesen wurde; ein Mesh auswählen und neu beginnen"
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
    "The mesh has {count} vertices but no faces, and {what} needs at least one; was the right "
    "object given?": (
        "Das Mesh hat {count} Punkte, aber keine Flächen, und {what} braucht mindestens eine; ist "
        "es das richtige Objekt?"
    ),
    "reducing faces": "Reduzieren",
    "cleaning": "Säubern",
    "unwrapping": "Abwickeln",
    "painting": "Malen",
    "All {count} faces of the mesh have no area, so there is no surface to reduce; was it scaled "
    "to nothing?": (
        "Alle {count} Flächen des Meshes sind ohne Inhalt, also gibt es nichts zu reduzieren; "
        "wurde es auf null skaliert?"
    ),
    "Each of the {count} faces of the mesh uses one position twice, so no surface is left after "
    "cleaning; was it scaled to nothing?": (
        "Jede der {count} Flächen des Meshes benutzt einen Ort doppelt, also bleibt nach dem "
        "Säubern nichts; wurde es auf null skaliert?"
    ),
    "vertex {row} is at {place}, but coordinates must be finite float32 numbers; repair or remove "
    "such vertices first": (
        "Punkt {row} liegt bei {place}, Koordinaten müssen aber endliche Zahlen sein; solche "
        "Punkte erst reparieren oder entfernen"
    ),
    "faces names vertex {number}, but there are {count} vertices; was the vertex list filtered "
    "without remapping faces?": (
        "Eine Fläche nennt Punkt {number}, es gibt aber {count}; wurden Punkte entfernt, ohne die "
        "Flächen anzupassen?"
    ),
    "vertices has dtype {found}, but coordinates are wanted as float32": (
        "Die Punkte sind vom Typ {found}, gebraucht werden Koordinaten als float32"
    ),
    "faces has dtype {found}, but vertex indices are integers; were vertices and faces swapped?": (
        "Die Flächen sind vom Typ {found}, gebraucht werden ganze Zahlen; wurden Punkte und "
        "Flächen vertauscht?"
    ),
    "{name} has shape {shape}, but rows of three {entries} are wanted; triangulate the mesh "
    "first": (
        "{name} hat die Form {shape}, gebraucht werden Zeilen zu drei ({entries}); das Mesh erst "
        "triangulieren"
    ),
    "{name} has shape {shape}, but rows of three {entries} are wanted; give one row per vertex": (
        "{name} hat die Form {shape}, gebraucht werden Zeilen zu drei ({entries}); für jeden "
        "Punkt eine angeben"
    ),
    "attribute {name} has the domain {domain}, but one of {names} is wanted": (
        "Das Attribut {name} hat die Domäne {domain}, gebraucht wird eine von {names}"
    ),
    "attribute {name} has dtype {kind} and shape {shape}, but rows of numbers or bools are "
    "wanted": (
        "Das Attribut {name} hat Typ {kind} und Form {shape}, gebraucht werden Zeilen aus Zahlen "
        "oder Wahrheitswerten"
    ),
    "attribute {name} is to part the surface, but a vertex has one value for all its faces; give "
    "it by corner": (
        "Das Attribut {name} soll die Oberfläche teilen, ein Punkt hat aber für alle Flächen "
        "einen Wert; es je Ecke angeben"
    ),
    "attribute {name} has {count} rows, but {what} = {wanted} are wanted in the domain {domain}; "
    "was the mesh changed after it was read?": (
        "Das Attribut {name} hat {count} Zeilen, in der Domäne {domain} sind {what} = {wanted} "
        "nötig; wurde das Mesh nach dem Lesen geändert?"
    ),
    "there are two attributes named {name}; rename one of them": (
        "Zwei Attribute heißen {name}; eines umbenennen"
    ),
    "attribute {name} is of {kind}; possible are bool, {kinds}": (
        "Das Attribut {name} ist vom Typ {kind}; möglich sind bool, {kinds}"
    ),
    "the mesh has {count} UV maps, colours, materials and other attributes that are kept apart, "
    "but {most} at most can be; remove some": (
        "Das Mesh hat {count} UV-Maps, Farben, Materialien und andere Attribute, die einzeln "
        "bleiben, höchstens {most} sind möglich; einige entfernen"
    ),
    "array '{name}' is of {kind}; possible are {kinds}": (
        "Das Array „{name}“ ist vom Typ {kind}; möglich sind {kinds}"
    ),
    "array '{name}' has {count} axes, but rows are wanted": (
        "Das Array „{name}“ hat {count} Achsen, gebraucht werden Zeilen"
    ),
    "array '{name}' has rows of {count}, but directions have 3 numbers": (
        "Das Array „{name}“ hat Zeilen zu {count}, Richtungen haben aber 3 Zahlen"
    ),
    "the array '{name}' is missing; send it with the request": (
        "Das Array „{name}“ fehlt; es mit der Anfrage senden"
    ),
    "there is no array '{name}'; possible are {names} and attributes such as "
    "'corner_blend_parts_0'": (
        "Ein Array „{name}“ gibt es nicht; möglich sind {names} und Attribute wie "
        "„corner_blend_parts_0“"
    ),
    "face_count is missing; give the number of faces wanted, or a ratio of the faces": (
        "face_count fehlt; die gewünschte Zahl der Flächen oder einen Anteil angeben"
    ),
    "face_count is {count} and ratio is {ratio}; give only one of them": (
        "face_count ist {count} und ratio {ratio}; nur eines davon angeben"
    ),
    "ratio is 0; it must be a number above 0 and up to 1": (
        "ratio ist 0; es muss über 0 und höchstens 1 sein"
    ),
    "target_faces is {value}, but a whole number of at least 1 is wanted": (
        "target_faces ist {value}, nötig ist eine ganze Zahl ab 1"
    ),
    "There is no mesh kernel for {system} on {machine}; it exists for {known}": (
        "Für {system} auf {machine} gibt es keinen Mesh-Kern; es gibt ihn für {known}"
    ),
    "The mesh kernel {name} is not built; in a checkout `python build.py test` builds it, and the "
    "packaged wheels carry it": (
        "Der Mesh-Kern {name} ist nicht gebaut; im Quelltext baut ihn `python build.py test`, die "
        "Pakete bringen ihn mit"
    ),
    "The mesh kernel {name} could not be loaded ({reason}); rebuild it with `python build.py "
    "test`, or install the wheel made for this system": (
        "Der Mesh-Kern {name} ließ sich nicht laden ({reason}); ihn mit `python build.py test` "
        "neu bauen oder das Paket für dieses System installieren"
    ),
    "The mesh kernel {name} has interface {found}, but this package needs {wanted}; rebuild it "
    "with `python build.py test`": (
        "Der Mesh-Kern {name} hat die Schnittstelle {found}, nötig ist {wanted}; ihn mit `python "
        "build.py test` neu bauen"
    ),
    "The mesh kernel found {what}; close other programs or reduce in parts": (
        "Der Mesh-Kern meldet {what}; andere Programme schließen oder in Teilen reduzieren"
    ),
    "The mesh kernel refused the mesh: {what}": "Der Mesh-Kern nahm das Mesh nicht an: {what}",
    "'{name}' does not keep {names}": "„{name}“ behält nicht: {names}",
    "Freestyle marks of {kind}s": "Freestyle-Markierungen ({kind})",
    "'{name}': the modifier '{modifier}' knows vertices by their numbers; bind it again": (
        "„{name}“: der Modifikator „{modifier}“ kennt Punkte nach ihren Nummern; ihn neu binden"
    ),
    "'{name}' is a library override; make it local first": (
        "„{name}“ ist eine Bibliotheks-Überschreibung; erst lokal machen"
    ),
    # --- textures ---------------------------------------------------------------------------------
    "'{name}' has {count} UV maps, as many as Blender allows; remove one": (
        "„{name}“ hat {count} UV-Maps, mehr erlaubt Blender nicht; eine entfernen"
    ),
    "the meshes to paint are gone; select others and start anew": (
        "Die Meshes zum Bemalen sind weg; andere auswählen und neu beginnen"
    ),
    "the mesh has no faces, so nothing can be painted; choose another": (
        "Das Mesh hat keine Flächen, also lässt sich nichts bemalen; ein anderes wählen"
    ),
    "the mesh has no faces, so no view shows it": (
        "Das Mesh hat keine Flächen, also zeigt es keine Ansicht"
    ),
    "all vertices of the mesh are in one place, so it has no surface to paint": (
        "Alle Punkte des Meshes liegen an einem Ort, also hat es keine Oberfläche zum Bemalen"
    ),
    "the mesh has no UVs to keep; choose another unwrap": (
        "Das Mesh hat keine UVs, die bleiben könnten; eine andere Abwicklung wählen"
    ),
    "the UVs have shape {shape}, but {count} faces have {corners} corners; give one UV per "
    "corner": (
        "Die UVs haben die Form {shape}, {count} Flächen haben aber {corners} Ecken; für jede "
        "Ecke eine UV angeben"
    ),
    "a UV is not a finite number; unwrap the mesh again": (
        "Eine UV ist keine endliche Zahl; das Mesh neu abwickeln"
    ),
    "the UVs reach from ({left}, {low}) to ({right}, {high}), outside the texture's square from 0 "
    "to 1; pack the islands, or unwrap anew": (
        "Die UVs reichen von ({left}, {low}) bis ({right}, {high}), über das Quadrat der Textur "
        "von 0 bis 1 hinaus; die Inseln packen oder neu abwickeln"
    ),
    'xatlas is not installed; install it with `pip install xatlas`, or choose the unwrap "box"': (
        "xatlas ist nicht installiert; mit `pip install xatlas` installieren oder die Abwicklung "
        "„box“ wählen"
    ),
    'xatlas finds no UVs for this mesh; choose the unwrap "box"': (
        "xatlas findet für dieses Mesh keine UVs; die Abwicklung „box“ wählen"
    ),
    "polygons is {kind} of shape {shape}; send one whole number for each of the {count} faces": (
        "polygons ist {kind} der Form {shape}; für jede der {count} Flächen eine ganze Zahl senden"
    ),
    "polygons are numbered {low} to {high}; with {count} faces the numbers are 0 to {last}": (
        "polygons sind von {low} bis {high} nummeriert; bei {count} Flächen gehen die Nummern von "
        "0 bis {last}"
    ),
    "faces name vertices {low} to {high}, but there are {count}; was the vertex list filtered "
    "without remapping faces?": (
        "Flächen nennen die Punkte {low} bis {high}, es gibt aber {count}; wurden Punkte "
        "entfernt, ohne die Flächen anzupassen?"
    ),
    "the faces cover a picture of {width} x {height} pixels {times} times over, too often to draw "
    "in time; if it is their UVs that lie on top of each other, make new ones, or else reduce the "
    "mesh or choose a smaller texture": (
        "Die Flächen bedecken ein Bild von {width} x {height} Pixeln {times}-mal, zu oft zum "
        "Zeichnen; wenn UVs übereinander liegen, neue machen, sonst das Mesh reduzieren oder eine "
        "kleinere Textur wählen"
    ),
}
