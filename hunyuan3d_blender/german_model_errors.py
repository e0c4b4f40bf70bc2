# SPDX-License-Identifier: GPL-3.0-or-later
"""German: what may be wrong with a model, its files, config and settings; see `error_words`."""

TEXTS = {
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
    # --- weight files -----------------------------------------------------------------------------
    "{words}; download or copy it again": "{words}; noch einmal laden oder kopieren",
    "{words}; copy it again": "{words}; noch einmal kopieren",
    "{words}; copy the folder again": "{words}; den Ordner noch einmal kopieren",
    "{words}; use the published weight file": "{words}; die veröffentlichte Gewichtsdatei nehmen",
    "{words}; use the file published with this config": (
        "{words}; die mit dieser Konfiguration veröffentlichte Datei nehmen"
    ),
    "{words}; use the weights and the config.yaml that belong together": (
        "{words}; Gewichte und config.yaml nehmen, die zusammengehören"
    ),
    "{path} has only {size} bytes, so it is no weight file": (
        "{path} hat nur {size} Byte, ist also keine Gewichtsdatei"
    ),
    "{path} is not a safetensors file, or is damaged": (
        "{path} ist keine safetensors-Datei oder ist beschädigt"
    ),
    "{path} is cut off: it has {size} bytes, less than its own header": (
        "{path} ist abgeschnitten: mit {size} Byte kürzer als der eigene Kopf"
    ),
    "{path} is {state}: {size} bytes of {wanted}": "{path} ist {state}: {size} Byte statt {wanted}",
    "cut off": "abgeschnitten",
    "longer than its header says": "länger, als der Kopf sagt",
    "{path} has a damaged header": "{path} hat einen beschädigten Kopf",
    "{path} has tensors that overlap, or gaps between them": (
        "{path} hat Tensoren, die sich überschneiden, oder Lücken zwischen ihnen"
    ),
    "{path} is compressed inside; use a .safetensors file": (
        "{path} ist innen komprimiert; eine .safetensors-Datei nehmen"
    ),
    "{path} describes its tensors in {found}, more than any model needs; use a .safetensors file": (
        "{path} beschreibt seine Tensoren mit {found}, mehr als ein Modell braucht; eine "
        ".safetensors-Datei nehmen"
    ),
    "{count} bytes": "{count} Byte",
    "more than {count} pieces": "mehr als {count} Stücken",
    "{path} has a damaged header at {name}": "{path} hat bei {name} einen beschädigten Kopf",
    "{path} has the tensor {name} in a form that is not known ({kind})": (
        "{path} hat den Tensor {name} in einer unbekannten Form ({kind})"
    ),
    "{path} has {size} bytes for the tensor {name} of shape {shape}": (
        "{path} hat {size} Byte für den Tensor {name} der Form {shape}"
    ),
    "{path} stores {name} as {kind}, but {wanted} is wanted; use the file that came with this "
    "extension": (
        "{path} speichert {name} als {kind}, gebraucht wird {wanted}; die Datei nehmen, die mit "
        "der Erweiterung kam"
    ),
    "{path} is none of .safetensors, .ckpt and .bin; give one of those": (
        "{path} ist weder .safetensors noch .ckpt noch .bin; eine solche Datei angeben"
    ),
    "{path} holds Python objects other than weights, or is damaged, and is not loaded for safety; "
    "use a .safetensors file": (
        "{path} enthält andere Python-Objekte als Gewichte oder ist beschädigt und wird zur "
        "Sicherheit nicht geladen; eine .safetensors-Datei nehmen"
    ),
    "{path} holds no state dict": "{path} enthält keine Gewichte mit Namen",
    "{source} holds weights for {found}, but weights for {wanted} are wanted": (
        "{source} enthält Gewichte für {found}, gebraucht werden sie für {wanted}"
    ),
    "nothing": "nichts",
    "{names} and {count} more": "{names} und {count} weitere",
    "{source} does not fit the {network} that its config describes: {problems}": (
        "{source} passt nicht zu dem {network}, das die Konfiguration beschreibt: {problems}"
    ),
    "{count} weights are missing ({names})": "{count} Gewichte fehlen ({names})",
    "{count} weights are missing ({names}), {more} are unexpected ({others})": (
        "{count} Gewichte fehlen ({names}), {more} sind zu viel ({others})"
    ),
    "{count} weights are missing ({names}), {more} have another shape ({others})": (
        "{count} Gewichte fehlen ({names}), {more} haben eine andere Form ({others})"
    ),
    "{count} are unexpected ({names}), {more} have another shape ({others})": (
        "{count} sind zu viel ({names}), {more} haben eine andere Form ({others})"
    ),
    "{count} weights are missing ({names}), {more} are unexpected ({others}), {last} have another "
    "shape ({rest})": (
        "{count} Gewichte fehlen ({names}), {more} sind zu viel ({others}), {last} haben eine "
        "andere Form ({rest})"
    ),
    "{count} are unexpected ({names})": "{count} sind zu viel ({names})",
    "{count} have another shape ({names})": "{count} haben eine andere Form ({names})",
    "there is no weight file at {path}": "Bei {path} liegt keine Gewichtsdatei",
    "{words}; check the path": "{words}; den Pfad prüfen",
    # --- model folders ----------------------------------------------------------------------------
    "there is no model folder at {path}; choose a folder that holds {config}": (
        "Bei {path} liegt kein Modellordner; einen Ordner wählen, in dem {config} liegt"
    ),
    "{folder} has no {config}, so it is not a model folder; choose the folder that holds it": (
        "{folder} hat kein {config}, ist also kein Modellordner; den Ordner wählen, in dem es liegt"
    ),
    "{folder} holds {present}, but none of {names}; copy the weight file there": (
        "{folder} enthält {present}, aber nichts von {names}; die Gewichtsdatei dorthin kopieren"
    ),
    "{folder} holds no weights; wanted is {name} or {other}, so copy one there": (
        "{folder} enthält keine Gewichte; {name} oder {other} dorthin kopieren"
    ),
    "there is no model {name} at {folder}": "Bei {folder} liegt kein Modell {name}",
    "there are no folders {names} in {folder}": "In {folder} gibt es die Ordner {names} nicht",
    "{words}; choose the folder that holds them": "{words}; den Ordner wählen, in dem sie liegen",
    "{words}, and huggingface_hub, which would download it, is not installed; install it with "
    "pip, or give a local folder": (
        "{words}, und huggingface_hub, das es laden würde, ist nicht installiert; mit pip "
        "installieren oder einen Ordner angeben"
    ),
    "{words}, and huggingface_hub, which would download them, is not installed; install it with "
    "pip, or give a local folder": (
        "{words}, und huggingface_hub, das sie laden würde, ist nicht installiert; mit pip "
        "installieren oder einen Ordner angeben"
    ),
    "{words}, and {reason}; download it, or give a local folder": (
        "{words}, und {reason}; es laden oder einen Ordner angeben"
    ),
    "{words}, and {reason}; download the model, or give a local folder": (
        "{words}, und {reason}; das Modell laden oder einen Ordner angeben"
    ),
    "downloads were not allowed": "Laden war nicht erlaubt",
    "the hub is out of reach": "der Hub ist nicht zu erreichen",
    "{words}, and the download failed ({reason}); check the name and the connection": (
        "{words}, und das Laden misslang ({reason}); Namen und Verbindung prüfen"
    ),
    "the repository {name} has no folder {folder}; check the name": (
        "Das Repository {name} hat keinen Ordner {folder}; den Namen prüfen"
    ),
    "the repository {name} has no weights in {folder}; check the subfolder's name": (
        "Das Repository {name} hat in {folder} keine Gewichte; den Namen des Unterordners prüfen"
    ),
    "its top folder": "seinem obersten Ordner",
    "the model folder '{folder}' has no {config}; {advice}": (
        "Der Modellordner „{folder}“ hat kein {config}; {advice}"
    ),
    "choose the subfolder: {names}": "den Unterordner wählen: {names}",
    "choose another folder": "einen anderen Ordner wählen",
    "'{path}' cannot be used: {reason}": "„{path}“ ist nicht zu gebrauchen: {reason}",
    "it is not a list of names and values": "es ist keine Liste von Namen und Werten",
    "this installation of hy3dgen lacks its bundled model; install it again, or choose a model "
    "folder": (
        "Dieser Installation von hy3dgen fehlt ihr Modell; neu installieren oder einen "
        "Modellordner wählen"
    ),
    "the model {name} is not on this machine; to download it, {steps}, or choose a model folder": (
        "Das Modell {name} ist nicht auf diesem Rechner; zum Laden {steps}, oder einen "
        "Modellordner wählen"
    ),
    "the model {name} is not on this machine; download it in the extension's preferences, or "
    "leave the model empty to paint from the picture only": (
        "Das Modell {name} ist nicht auf diesem Rechner; es in den Einstellungen der Erweiterung "
        "laden oder das Modell leer lassen und nur aus dem Bild malen"
    ),
    "model folder {folder} does not exist; choose another one, or leave the model empty to paint "
    "from the picture only": (
        "Den Modellordner {folder} gibt es nicht; einen anderen wählen oder das Modell leer "
        "lassen und nur aus dem Bild malen"
    ),
    # --- configs ----------------------------------------------------------------------------------
    "{words}; use the config.yaml that was published with the model": (
        "{words}; die mit dem Modell veröffentlichte config.yaml nehmen"
    ),
    "{words}; use the config that was published with the model": (
        "{words}; die mit dem Modell veröffentlichte Konfiguration nehmen"
    ),
    "{words}; use the config that was published with the weights": (
        "{words}; die mit den Gewichten veröffentlichte Konfiguration nehmen"
    ),
    "{words}; install the extension again": "{words}; die Erweiterung neu installieren",
    "there is no config at {path}": "Bei {path} liegt keine Konfiguration",
    "{path} has {size} bytes, more than the {most} that a config may have": (
        "{path} hat {size} Byte, mehr als die {most}, die eine Konfiguration haben darf"
    ),
    "{path} is not readable YAML ({reason})": "{path} ist kein lesbares YAML ({reason})",
    "{path} is not readable JSON ({reason})": "{path} ist kein lesbares JSON ({reason})",
    "{path} is not readable ({reason})": "{path} ist nicht lesbar ({reason})",
    "{path} cannot be read ({reason})": "{path} lässt sich nicht lesen ({reason})",
    "{path} has {found}, but lacks {missing}": "{path} hat {found}, aber es fehlt {missing}",
    "{path} holds no sections": "{path} hat keine Abschnitte",
    "{path} holds no settings": "{path} enthält keine Einstellungen",
    "there is no {file}; install the extension again": (
        "{file} fehlt; die Erweiterung neu installieren"
    ),
    "the config of {folder} lacks {name}": "Der Konfiguration von {folder} fehlt {name}",
    "the config asks for {found}, but this version knows {known}; use a model made of those": (
        "Die Konfiguration verlangt {found}, diese Version kennt {known}; ein Modell daraus nehmen"
    ),
    "a section of the config is {found}, without a target": (
        "Ein Abschnitt der Konfiguration ist {found}, ohne „target“"
    ),
    "the config's params do not fit {network}: {reason}": (
        "Die „params“ der Konfiguration passen nicht zu {network}: {reason}"
    ),
    "the image encoder {name} is not on this machine; get it first, for instance with "
    "`{command}`, or write its config into config.yaml, as published models do": (
        "Der Bild-Encoder {name} ist nicht auf diesem Rechner; ihn erst holen, etwa mit "
        "`{command}`, oder seine Konfiguration in config.yaml schreiben, wie veröffentlichte "
        "Modelle es tun"
    ),
    "the image encoder has neither a 'config' nor a 'version'; write the tower's config into "
    "config.yaml, as published models do": (
        "Der Bild-Encoder hat weder „config“ noch „version“; seine Konfiguration in config.yaml "
        "schreiben, wie veröffentlichte Modelle es tun"
    ),
    "the image encoder's config lacks {names}; add them to config.yaml": (
        "Der Konfiguration des Bild-Encoders fehlt {names}; in config.yaml ergänzen"
    ),
    "the image encoder's config asks for activation {found}, but only {known} are known": (
        "Die Konfiguration des Bild-Encoders verlangt die Aktivierung {found}, bekannt sind nur "
        "{known}"
    ),
    "the image encoder's config asks for activation {found}, but only 'gelu' is known": (
        "Die Konfiguration des Bild-Encoders verlangt die Aktivierung {found}, bekannt ist nur "
        "„gelu“"
    ),
    "the config names image encoder {found}, but this version knows {known}; use a model with one "
    "of those": (
        "Die Konfiguration nennt den Bild-Encoder {found}, diese Version kennt {known}; ein "
        "Modell mit einem davon nehmen"
    ),
    "pictures of {count} patches reached an image encoder made for {wanted}; give the encoder the "
    "image_size of its config": (
        "Bilder aus {count} Feldern kamen zu einem Bild-Encoder für {wanted}; ihm die image_size "
        "seiner Konfiguration geben"
    ),
    "there are {count} condition tokens, but this model pools {wanted}; use pictures of the size "
    "in its config": (
        "Es sind {count} Token der Bedingung, dieses Modell fasst {wanted} zusammen; Bilder in "
        "der Größe der Konfiguration nehmen"
    ),
    "hidden_size {size} is not a multiple of num_heads {heads}; choose one that is": (
        "hidden_size {size} ist kein Vielfaches von num_heads {heads}; ein solches wählen"
    ),
    "axes_dim {sizes} adds up to {sum}, but a head is {wanted} wide; give that sum": (
        "axes_dim {sizes} ergibt zusammen {sum}, ein Kopf ist aber {wanted} breit; diese Summe "
        "angeben"
    ),
    "hidden_size {size} and num_heads {heads} make heads {width} wide, but a multiple of 8 up to "
    "128 is wanted; choose others": (
        "hidden_size {size} und num_heads {heads} ergeben {width} breite Köpfe, nötig ist ein "
        "Vielfaches von 8 bis 128; andere wählen"
    ),
    "the config sets guidance_cond_proj_dim, which no published model has and this version does "
    "not know; leave it out": (
        "Die Konfiguration setzt guidance_cond_proj_dim, das kein veröffentlichtes Modell hat und "
        "diese Version nicht kennt; weglassen"
    ),
    "this model looks at an additional condition, but there is none; use a conditioner with two "
    "image encoders": (
        "Dieses Modell braucht eine weitere Bedingung, die es nicht gibt; eine Konfiguration mit "
        "zwei Bild-Encodern nehmen"
    ),
    "moe_top_k is {found}, but there are {count} experts; choose from one to all of them": (
        "moe_top_k ist {found}, es gibt aber {count} Experten; einen bis alle wählen"
    ),
    "the experts' activation is {found}, but only 'gelu' is known; use that": (
        "Die Aktivierung der Experten ist {found}, bekannt ist nur „gelu“; diese nehmen"
    ),
    "size is {found}, but the pixels a side are wanted": (
        "size ist {found}, gebraucht werden die Pixel einer Seite"
    ),
    "border_ratio is {found}, but a share from 0 to less than 1 is wanted; give one of those": (
        "border_ratio ist {found}, nötig ist ein Anteil von 0 bis unter 1; einen solchen angeben"
    ),
    "{count} steps were asked for, but this model's schedule has {total}; choose from 1 to "
    "{most}": (
        "{count} Schritte wurden verlangt, der Plan dieses Modells hat {total}; 1 bis {most} wählen"
    ),
    "{words}; is it the config of a texture model?": (
        "{words}; ist es die Konfiguration eines Texturmodells?"
    ),
    "there is no {name} at {path}; choose the folder of a texture model": (
        "Bei {path} fehlt {name}; den Ordner eines Texturmodells wählen"
    ),
    "{source} names {widths} widths, {heads} numbers of heads, {down} down blocks and {up} up "
    "blocks": (
        "{source} nennt {widths} Breiten, {heads} Kopfzahlen, {down} Blöcke abwärts und {up} "
        "aufwärts"
    ),
    "{source} has hidden_act {found}; only gelu and quick_gelu are known": (
        "{source} hat hidden_act {found}; bekannt sind nur gelu und quick_gelu"
    ),
    "{source} lacks {name}; use the config that was published with the weights": (
        "In {source} fehlt {name}; die mit den Gewichten veröffentlichte Konfiguration nehmen"
    ),
    "{source} has {name} {found}, but only {known} is known here": (
        "{source} hat {name} {found}, bekannt ist hier nur {known}"
    ),
    "{source} has a {kind} in {name}; only {known} and {other} are known here": (
        "{source} hat {kind} in {name}; bekannt sind hier nur {known} und {other}"
    ),
    "the tokenizer in {folder} has no number for its {name} {text}": (
        "Der Tokenizer in {folder} hat keine Nummer für {name} {text}"
    ),
    "the scheduler's config has trained_betas or thresholding, which are not known here": (
        "Die Konfiguration des Zeitplans hat trained_betas oder thresholding, die hier nicht "
        "bekannt sind"
    ),
    "the scheduler's config has beta_schedule {found}; only linear and scaled_linear are known "
    "here": (
        "Die Konfiguration des Zeitplans hat beta_schedule {found}; bekannt sind hier nur linear "
        "und scaled_linear"
    ),
    "the scheduler's config has timestep_spacing {found}; only linspace, leading and trailing are "
    "known here": (
        "Die Konfiguration des Zeitplans hat timestep_spacing {found}; bekannt sind hier nur "
        "linspace, leading und trailing"
    ),
    "the scheduler's config has prediction_type {found}; only epsilon and v_prediction are known "
    "here": (
        "Die Konfiguration des Zeitplans hat prediction_type {found}; bekannt sind hier nur "
        "epsilon und v_prediction"
    ),
    "{count} steps were asked for; ask for 1 or more": (
        "{count} Schritte wurden verlangt; 1 oder mehr verlangen"
    ),
    "a view has elevation {found}, but the model knows only {known}; choose those": (
        "Eine Ansicht liegt {found} Grad hoch, das Modell kennt nur {known}; diese wählen"
    ),
    # --- settings ---------------------------------------------------------------------------------
    "{name} is {value}; choose from {low} to {high}": "{name} ist {value}; {low} bis {high} wählen",
    "{name} is {value}; choose from {names}": "{name} ist {value}; eines davon wählen: {names}",
    "{name} is {value}; give a whole number": "{name} ist {value}; eine ganze Zahl angeben",
    "{name} is {value}; give a finite number": "{name} ist {value}; eine endliche Zahl angeben",
    "{name} is {value}; it must be {wanted}": "{name} ist {value}; verlangt ist {wanted}",
    "{name} is missing; it is {wanted}": "{name} fehlt; verlangt ist {wanted}",
    "a whole number from {low} to {high}": "eine ganze Zahl von {low} bis {high}",
    "a number from {low} to {high}": "eine Zahl von {low} bis {high}",
    "true or false": "true oder false",
    "a text": "ein Text",
    "a text of up to {count} letters": "ein Text von höchstens {count} Zeichen",
    "there is no {kind} '{name}'; possible: {names}": (
        "Etwas namens „{name}“ gibt es hier nicht ({kind}); möglich: {names}"
    ),
    "setting": "Einstellung",
    "array": "Array",
    "none": "nichts",
    "speed_priority is {value}; choose from 0.0, the best, to 1.0, the fastest": (
        "speed_priority ist {value}; 0.0 (am besten) bis 1.0 (am schnellsten) wählen"
    ),
    "volume_decoder is {value}; without PyTorch there is only 'coarse_to_fine'": (
        "volume_decoder ist {value}; ohne PyTorch gibt es nur „coarse_to_fine“"
    ),
    "this model needs {least} GiB on this device, but {limit} GiB may be used; close other "
    "programs, or choose a smaller model": (
        "Dieses Modell braucht {least} GiB auf diesem Gerät, frei sind {limit} GiB; andere "
        "Programme schließen oder ein kleineres Modell wählen"
    ),
    "max_memory is {limit} GB, but this model needs about {least} GB of the device; allow more, "
    "or choose a smaller model": (
        "max_memory ist {limit} GB, dieses Modell braucht aber etwa {least} GB des Geräts; mehr "
        "erlauben oder ein kleineres Modell wählen"
    ),
    "this model takes one picture, and several views were given; choose a multi-view model such "
    "as Hunyuan3D-2mv, or leave the front view alone": (
        "Dieses Modell nimmt ein Bild, gegeben wurden mehrere Ansichten; ein Modell für mehrere "
        "Ansichten wie Hunyuan3D-2mv wählen oder nur die von vorn lassen"
    ),
    "views were given ({names}), but this model takes one picture; give one of them, or use a "
    "multi-view model": (
        "Ansichten wurden gegeben ({names}), dieses Modell nimmt ein Bild; eine davon angeben "
        "oder ein Modell für mehrere Ansichten nehmen"
    ),
    "the views are named {names}; give one to four of {known}": (
        "Die Ansichten heißen {names}; eine bis vier von {known} angeben"
    ),
    # --- the field --------------------------------------------------------------------------------
    "{words}; try another seed, more steps or a clearer picture": (
        "{words}; einen anderen Startwert, mehr Schritte oder ein klareres Bild versuchen"
    ),
    "the field has no surface at level {level}": "Das Feld hat bei {level} keine Oberfläche",
    "the field has no surface at level {level}: its values run from {low} to {high}": (
        "Das Feld hat bei {level} keine Oberfläche: seine Werte gehen von {low} bis {high}"
    ),
    "the field has no surface at level {level}: its values run from nothing finite": (
        "Das Feld hat bei {level} keine Oberfläche: keiner seiner Werte ist endlich"
    ),
    "the decoded field is not finite anywhere, so the model's weights or precision do not fit; "
    "load it again in float32": (
        "Das Feld ist nirgends endlich, also passen Gewichte oder Genauigkeit des Modells nicht; "
        "es in float32 laden"
    ),
    "the field has no surface among the points that were decoded; use volume_decoder='dense'": (
        "Das Feld hat unter den berechneten Punkten keine Oberfläche; volume_decoder='dense' nehmen"
    ),
}
