"""“Surprise me”: prompts put together from worlds whose parts go well with one another.

A world's subjects, places and lights can each be combined with the others'; what is seen and how
is then given a frame that suits any world. German cannot be made of English piece by piece, so
each language has lists of its own, written so that every combination is a sentence in it.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.i18n import ENGLISH


@dataclass(frozen=True)
class World:
    """What can be together in a picture."""

    subjects: Sequence[str]
    places: Sequence[str]
    lights: Sequence[str]


_FRAMES: Final = {
    "en": (
        "",
        "seen from far away",
        "seen from close by",
        "seen from above",
        "low camera, close to the ground",
        "wide view with much sky",
        "quiet and uncluttered",
        "muted colours with one bright spot",
        "the background melting away",
        "perfectly symmetrical",
    ),
    "de": (
        "",
        "aus großer Ferne gesehen",
        "aus nächster Nähe gesehen",
        "von oben gesehen",
        "die Kamera dicht über dem Boden",
        "weiter Blick mit viel Himmel",
        "still und aufgeräumt",
        "gedämpfte Farben mit einem leuchtenden Fleck",
        "der Hintergrund verschwimmt",
        "vollkommen symmetrisch",
    ),
}

_WORLDS: Final = {
    "en": (
        World(  # animals on land
            (
                "A red fox",
                "A snow-white hare",
                "A stag with wide antlers",
                "A lynx with tufted ears",
                "A mother bear with two cubs",
                "A hedgehog carrying a leaf",
                "A barn owl in flight",
                "A herd of wild horses",
                "A lone wolf",
                "A pair of cranes",
            ),
            (
                "in a birch wood",
                "on a moor full of heather",
                "at the edge of a frozen lake",
                "in a meadow of tall grass",
                "between mossy boulders",
                "on a hill above a sleeping village",
                "in an old orchard",
                "by a stream in the mountains",
            ),
            (
                "at first light, mist on the ground",
                "in slow falling snow",
                "under the first stars",
                "in golden evening light",
                "after a summer rain",
                "on a bright and windy autumn day",
                "by the light of a full moon",
            ),
        ),
        World(  # by the sea
            (
                "A lighthouse with a red lantern room",
                "A small fishing boat with a patched sail",
                "A tall ship with all sails set",
                "A wooden pier with a single lamp",
                "A whale just breaking the surface",
                "A row of beach huts in faded colours",
                "A lifeboat riding a huge wave",
                "An old harbour with stacked lobster pots",
                "A lone surfer waiting for a wave",
            ),
            (
                "off a coast of white cliffs",
                "in a bay ringed by pine trees",
                "below dark basalt columns",
                "in front of a glacier",
                "on the edge of a coral lagoon",
                "beyond wide sand dunes",
                "beside a tidal island with a chapel",
                "near a village of white houses",
            ),
            (
                "as a storm comes in",
                "in the blue hour",
                "at sunrise, the water like glass",
                "under racing clouds",
                "in thick morning fog",
                "under green northern lights",
                "in the glare of noon",
            ),
        ),
        World(  # towns
            (
                "A yellow tram",
                "A cellist playing to nobody in particular",
                "A flower stall just opening",
                "A bookshop with a cat in the window",
                "A cyclist with a basket full of bread",
                "A café with four small tables outside",
                "A clock tower with a stopped clock",
                "A kite seller with far too many kites",
                "A lamplighter at work",
            ),
            (
                "in a steep street of Lisbon",
                "on a square with chestnut trees",
                "beside a canal lined with narrow houses",
                "in a neon-lit alley",
                "under the arches of a railway bridge",
                "on a rooftop above a thousand roofs",
                "at the end of a long arcade",
                "in a town built on terraces",
            ),
            (
                "in the rain, the pavement shining",
                "early on a Sunday, nobody about",
                "at dusk, the first windows lit",
                "in the first snow of the year",
                "on a hot afternoon with long shadows",
                "by night, under paper lanterns",
                "in pale spring sunshine",
            ),
        ),
        World(  # landscapes
            (
                "A single cypress tree",
                "A stone bridge with one arch",
                "A hot-air balloon striped in red and cream",
                "A narrow road that winds out of sight",
                "A shepherd with a hundred sheep",
                "A waterfall in three steps",
                "A windmill turning slowly",
                "A cottage with smoke above its chimney",
                "A steam train crossing a viaduct",
            ),
            (
                "among rolling green hills",
                "in a valley of terraced vineyards",
                "before a wall of snowy peaks",
                "in a desert of red sandstone",
                "over fields of lavender",
                "in a gorge full of ferns",
                "on a plain under a giant sky",
                "between lakes as dark as ink",
            ),
            (
                "as the morning mist lifts",
                "with a thunderstorm on the horizon",
                "in the last light of the day",
                "under a double rainbow",
                "in deep winter",
                "on the first warm day of spring",
                "in October, all leaves on fire",
            ),
        ),
        World(  # still lifes and crafts
            (
                "A bowl of pears and one blue plum",
                "A half-built model ship",
                "An open violin case",
                "A stack of old letters tied with ribbon",
                "A brass telescope",
                "A vase of poppies dropping their petals",
                "A loaf of bread and a knife",
                "A typewriter with a blank page",
                "A glass terrarium with a tiny forest",
            ),
            (
                "on a worn oak table",
                "on a windowsill above the sea",
                "in a watchmaker's workshop",
                "on a marble counter",
                "in the corner of an attic",
                "on a linen cloth",
                "beside an open window",
                "on the steps of a greenhouse",
            ),
            (
                "light falling from one side",
                "in candlelight",
                "on a grey morning",
                "in the warm light of late afternoon",
                "with dust dancing in a sunbeam",
                "with raindrops on the pane",
                "in cool moonlight",
            ),
        ),
        World(  # far away in time and space
            (
                "A small robot watering a plant",
                "An astronaut with a paper lantern",
                "A silent monorail",
                "A greenhouse under a glass dome",
                "A radio telescope listening to the sky",
                "A caravan of walking machines",
                "A lone rover with dusty wheels",
                "A floating market of airships",
                "A gardener in a spacesuit",
            ),
            (
                "on the red plains of Mars",
                "above the rings of a giant planet",
                "in a city of white towers and hanging gardens",
                "on a moon covered in ice",
                "in a crater filled with flowers",
                "at the edge of a sea of clouds",
                "in a forest of glowing mushrooms",
                "on a bridge between two worlds",
            ),
            (
                "two suns setting",
                "with the Earth rising behind",
                "under a sky full of comets",
                "in a violet dusk",
                "in the silence after a dust storm",
                "lit only by instruments",
                "in the first dawn of a new year",
            ),
        ),
        World(  # tales
            (
                "A librarian riding a giant tortoise",
                "A dragon no larger than a cat",
                "A knight who has put down his sword",
                "A girl with a lantern full of fireflies",
                "A giant asleep under a quilt of moss",
                "A ship carried by a flock of geese",
                "A fox in a velvet coat",
                "A tree with doors in its trunk",
                "An orchestra of mice",
            ),
            (
                "in a library without end",
                "in a castle overgrown with roses",
                "on a staircase that leads into the clouds",
                "in a wood where all leaves are silver",
                "at a feast for one",
                "in a village under the lake",
                "inside a snow globe",
                "on an island shaped like a sleeping cat",
            ),
            (
                "at midnight",
                "in a light that comes from nowhere",
                "on the longest day of the year",
                "while feathers fall like snow",
                "at the very moment the music stops",
                "in the glow of a hundred candles",
                "under three moons",
            ),
        ),
    ),
    "de": (
        World(
            (
                "Ein roter Fuchs",
                "Ein schneeweißer Hase",
                "Ein Hirsch mit weitem Geweih",
                "Ein Luchs mit Pinselohren",
                "Eine Bärin mit zwei Jungen",
                "Ein Igel mit einem Blatt auf dem Rücken",
                "Eine Schleiereule im Flug",
                "Eine Herde wilder Pferde",
                "Ein einsamer Wolf",
                "Ein Kranichpaar",
            ),
            (
                "in einem Birkenwald",
                "in der blühenden Heide",
                "am Ufer eines gefrorenen Sees",
                "auf einer Wiese mit hohem Gras",
                "zwischen bemoosten Felsen",
                "auf einem Hügel über einem schlafenden Dorf",
                "in einem alten Obstgarten",
                "an einem Bach in den Bergen",
            ),
            (
                "im ersten Licht, Nebel über dem Boden",
                "während langsam Schnee fällt",
                "unter den ersten Sternen",
                "im goldenen Abendlicht",
                "nach einem Sommerregen",
                "an einem hellen, windigen Herbsttag",
                "im Licht des vollen Mondes",
            ),
        ),
        World(
            (
                "Ein Leuchtturm mit rotem Lampenhaus",
                "Ein kleines Fischerboot mit geflicktem Segel",
                "Ein Dreimaster unter vollen Segeln",
                "Ein Holzsteg mit einer einzigen Laterne",
                "Ein auftauchender Wal",
                "Eine Reihe verblichener Strandhäuschen",
                "Ein Rettungsboot auf einer riesigen Welle",
                "Ein alter Hafen voller Hummerkörbe",
                "Eine wartende Surferin",
            ),
            (
                "vor einer Küste aus weißen Klippen",
                "in einer Bucht voller Kiefern",
                "unter dunklen Basaltsäulen",
                "vor einem Gletscher am Meer",
                "am Rand einer Korallenlagune",
                "hinter weiten Sanddünen",
                "neben einer Gezeiteninsel mit Kapelle",
                "bei einem Dorf aus weißen Häusern",
            ),
            (
                "ein Sturm zieht auf",
                "in der blauen Stunde",
                "bei Sonnenaufgang, das Wasser glatt wie Glas",
                "unter jagenden Wolken",
                "im dichten Morgennebel",
                "unter grünem Nordlicht",
                "im gleißenden Mittagslicht",
            ),
        ),
        World(
            (
                "Eine gelbe Straßenbahn",
                "Eine Cellistin ohne Publikum",
                "Ein Blumenstand voller Pfingstrosen",
                "Ein Buchladen mit einer Katze im Fenster",
                "Ein Radfahrer mit einem Korb voll Brot",
                "Ein Café mit vier kleinen Tischen draußen",
                "Ein Uhrturm mit stehen gebliebener Uhr",
                "Ein Drachenverkäufer mit viel zu vielen Drachen",
                "Ein Laternenanzünder bei der Arbeit",
            ),
            (
                "in einer steilen Straße von Lissabon",
                "auf einem Platz mit Kastanien",
                "an einer Gracht mit schmalen Häusern",
                "in einer Gasse voller Neonlicht",
                "unter den Bögen einer Eisenbahnbrücke",
                "auf einem Dach über tausend Dächern",
                "am Ende einer langen Arkade",
                "in einer Stadt aus Terrassen",
            ),
            (
                "im Regen, das Pflaster glänzt",
                "früh an einem Sonntag, niemand ist unterwegs",
                "in der Dämmerung, die ersten Fenster leuchten",
                "im ersten Schnee des Jahres",
                "an einem heißen Nachmittag mit langen Schatten",
                "bei Nacht, unter Papierlaternen",
                "in blasser Frühlingssonne",
            ),
        ),
        World(
            (
                "Eine einzelne Zypresse",
                "Eine Steinbrücke mit einem Bogen",
                "Ein rot-weiß gestreifter Heißluftballon",
                "Eine schmale Straße voller Kurven",
                "Ein Schäfer mit hundert Schafen",
                "Ein Wasserfall in drei Stufen",
                "Eine langsam mahlende Windmühle",
                "Ein Häuschen mit Rauch über dem Schornstein",
                "Ein Dampfzug auf einem Viadukt",
            ),
            (
                "zwischen sanften grünen Hügeln",
                "in einem Tal voller Weinterrassen",
                "vor einer Wand verschneiter Gipfel",
                "in einer Wüste aus rotem Sandstein",
                "über Lavendelfeldern",
                "in einer Schlucht voller Farne",
                "in einer Ebene unter riesigem Himmel",
                "zwischen tintenschwarzen Seen",
            ),
            (
                "der Morgennebel hebt sich",
                "ein Gewitter steht am Horizont",
                "im letzten Licht des Tages",
                "unter einem doppelten Regenbogen",
                "im tiefen Winter",
                "am ersten warmen Frühlingstag",
                "im Oktober, alle Blätter wie Feuer",
            ),
        ),
        World(
            (
                "Eine Schale Birnen und eine blaue Pflaume",
                "Ein halb fertiges Modellschiff",
                "Ein offener Geigenkasten",
                "Ein Stapel alter Briefe mit Schleife",
                "Ein Fernrohr aus Messing",
                "Eine Vase mit verblühendem Mohn",
                "Ein Brotlaib und ein Messer",
                "Eine Schreibmaschine mit leerem Blatt",
                "Ein winziger Wald im Glas",
            ),
            (
                "auf einem abgenutzten Eichentisch",
                "auf einer Fensterbank über dem Meer",
                "in der Werkstatt einer Uhrmacherin",
                "auf einer Marmorplatte",
                "in der Ecke eines Dachbodens",
                "auf einem Leinentuch",
                "neben einem offenen Fenster",
                "auf den Stufen eines Gewächshauses",
            ),
            (
                "das Licht fällt von einer Seite",
                "im Kerzenschein",
                "an einem grauen Morgen",
                "im warmen Licht des späten Nachmittags",
                "Staub tanzt in einem Sonnenstrahl",
                "Regentropfen an der Scheibe",
                "im kühlen Mondlicht",
            ),
        ),
        World(
            (
                "Ein kleiner Roboter mit Gießkanne",
                "Eine Astronautin mit einem Lampion",
                "Eine lautlose Schwebebahn",
                "Ein Gewächshaus unter einer Glaskuppel",
                "Ein gewaltiges Radioteleskop",
                "Eine Karawane laufender Maschinen",
                "Ein einsamer Rover mit staubigen Rädern",
                "Ein schwimmender Markt aus Luftschiffen",
                "Ein Gärtner im Raumanzug",
            ),
            (
                "in den roten Ebenen des Mars",
                "über den Ringen eines Riesenplaneten",
                "in einer Stadt aus weißen Türmen und hängenden Gärten",
                "auf einem Mond aus Eis",
                "in einem Krater voller Blumen",
                "am Rand eines Wolkenmeers",
                "in einem Wald leuchtender Pilze",
                "auf einer Brücke zwischen zwei Welten",
            ),
            (
                "zwei Sonnen gehen unter",
                "dahinter geht die Erde auf",
                "unter einem Himmel voller Kometen",
                "in violetter Dämmerung",
                "in der Stille nach einem Staubsturm",
                "nur von Instrumenten beleuchtet",
                "im ersten Morgen eines neuen Jahres",
            ),
        ),
        World(
            (
                "Ein Bibliothekar auf einer Riesenschildkröte",
                "Ein katzengroßer Drache",
                "Ein Ritter ohne Schwert",
                "Ein Mädchen mit einer Laterne voller Glühwürmchen",
                "Ein schlafender Riese unter einer Moosdecke",
                "Ein fliegendes Schiff mit einem Schwarm Gänse",
                "Ein Fuchs im Samtmantel",
                "Ein Baum mit Türen im Stamm",
                "Ein Orchester aus Mäusen",
            ),
            (
                "in einer Bibliothek ohne Ende",
                "in einem Schloss voller Rosen",
                "auf einer Treppe in die Wolken",
                "in einem Wald aus silbernen Blättern",
                "bei einem Festmahl für einen",
                "in einem Dorf unter dem See",
                "in einer Schneekugel",
                "auf einer Insel in Gestalt einer schlafenden Katze",
            ),
            (
                "um Mitternacht",
                "in einem Licht, das von nirgendwo kommt",
                "am längsten Tag des Jahres",
                "Federn fallen wie Schnee",
                "in dem Augenblick, in dem die Musik verstummt",
                "im Schein von hundert Kerzen",
                "unter drei Monden",
            ),
        ),
    ),
}


def surprise(language: str, last: str = "") -> str:
    """Return a prompt that nobody has thought of.

    Args:
        language: the code of the language that it is in; English where there is none in it.
        last: what it is not to be: the one before.
    """
    code = language if language in _WORLDS else ENGLISH
    while True:
        world = secrets.choice(_WORLDS[code])
        parts = (world.subjects, world.places, world.lights, _FRAMES[code])
        subject, place, light, frame = (secrets.choice(part) for part in parts)
        prompt = ", ".join(filter(None, (f"{subject} {place}", light, frame)))
        if prompt != last:
            return prompt
