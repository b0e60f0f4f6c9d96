"""Where and how sounds happen, and which are heard together."""

MANNERS = (
    *("loudly", "softly", "quietly", "faintly", "suddenly", "repeatedly", "continuously", "steadily", "intermittently"),
    *("in the distance", "far away", "nearby", "close by", "up close", "in the background", "in the foreground"),
    *("again and again", "several times", "once", "twice", "for some time", "in short bursts"),
    *("very loudly", "barely audibly", "for a moment", "louder and louder", "from far off", "in a steady rhythm"),
)
"""How anything may sound."""

_OUTSIDE = (
    "outside",
    "outdoors",
    "in the street",
    "in a yard",
    "in a park",
    "at night",
    "in the morning",
    "in a garden",
)
_INSIDE = ("indoors", "in a room", "in a small room", "in a large hall", "in a hallway", "next door", "upstairs")
_TOWN = ("in the city", "on a busy street", "downtown", "in a tunnel", "at an intersection", "in a parking garage")
_WATER = ("at the harbor", "on a lake", "on the open sea", "near the shore", "on a river")
_WILD = (
    "in the forest",
    "in the woods",
    "in the jungle",
    "in a field",
    "at dusk",
    "at dawn",
    "in a meadow",
    "by a lake",
)
_STAGE = ("on stage", "in a concert hall", "in a club", "on the radio", "in a small room", "outdoors", "in a church")
PLACES: dict[str, tuple[str, ...]] = {
    "pet": ("in the house", "in the yard", "behind a door", "at home", "outside", "in the kitchen", "in a kennel"),
    "farm": ("on a farm", "in a barn", "in a field", "in the yard", "behind a fence", "in a stable"),
    "bird": (*_WILD, "in a tree", "in the garden", "overhead", "in a cage"),
    "wild": (*_WILD, "at the zoo", "in the savanna", "at night"),
    "insect": (*_WILD, "on a summer night", "in the grass", "near the ear", "around a lamp"),
    "sea": (*_WATER, "on the beach", "underwater", "by the cliffs"),
    "speech": (*_INSIDE, *_TOWN, "on the phone", "over a loudspeaker", "in a crowded room", "in a foreign language"),
    "body": (*_INSIDE, "in the next room", "in a quiet room", "outside", "on a wooden floor", "in bed"),
    "crowd": ("in a stadium", "in a restaurant", "in a theater", "at a market", "in a square", "in a hall", "outdoors"),
    "home": ("in the house", "in the living room", "in the bedroom", "in an old house", "in the hallway", "upstairs"),
    "kitchen": ("in the kitchen", "in a restaurant kitchen", "in a cafe", "at home", "on the stove", "in the sink"),
    "bathroom": ("in the bathroom", "in a public restroom", "behind a closed door", "next door"),
    "office": ("in an office", "in a library", "at a desk", "in a quiet room", "in a store", "in a classroom"),
    "electronics": ("in a room", "on a table", "in a pocket", "in the lab", "in an office", "in the basement"),
    "alarm": (*_TOWN, "in a building", "in a school", "in a hospital", "outside", "across town"),
    "road": (*_TOWN, "on the highway", "on a wet road", "on a country road", "in a garage", "down the street"),
    "rail": ("at the station", "on a platform", "through a tunnel", "over a bridge", "at a crossing", "in the subway"),
    "air": ("at the airport", "overhead", "on the runway", "high above", "at an air show", "in the sky"),
    "boat": (*_WATER, "at the dock", "at the marina"),
    "tool": ("in a workshop", "in a garage", "on a construction site", "in the garden", "in the backyard", "next door"),
    "machine": ("in a factory", "in a workshop", "on a construction site", "in the basement", "in a warehouse"),
    "weather": ("outside", "on a tin roof", "in the mountains", "over the city", "at night", "in the forest", "at sea"),
    "water": ("in a cave", "in the garden", "in a basement", "in the kitchen", "underground", "in a swimming pool"),
    "nature": (*_WILD, "in the mountains", "on a cold day", "in a canyon"),
    "music": _STAGE,
    "sport": ("in a gym", "in a stadium", "on a court", "on a playground", "in a sports hall", "outdoors", "in a park"),
    "impact": (*_OUTSIDE, *_INSIDE, "in a warehouse", "on the floor", "on concrete", "in an alley"),
}
"""Where the sounds of a class happen."""

SCENES: tuple[tuple[str, ...], ...] = (
    ("pet", "home", "kitchen", "bathroom", "body", "speech", "electronics", "music", "water", "impact"),
    ("kitchen", "speech", "home", "body", "music", "electronics", "water"),
    ("road", "alarm", "crowd", "speech", "body", "pet", "weather", "bird", "tool", "machine", "impact", "music"),
    ("farm", "bird", "insect", "weather", "speech", "tool", "pet", "road"),
    ("bird", "wild", "insect", "nature", "weather", "water", "body", "tool", "pet"),
    ("sea", "boat", "bird", "weather", "water", "speech", "crowd"),
    ("rail", "alarm", "crowd", "speech", "body", "machine"),
    ("air", "speech", "crowd", "machine", "weather", "alarm", "bird"),
    ("tool", "machine", "speech", "impact", "alarm", "music"),
    ("office", "speech", "electronics", "body", "alarm", "home"),
    ("music", "crowd", "speech", "body", "electronics"),
    ("sport", "crowd", "speech", "alarm", "music", "body"),
    ("impact", "alarm", "air", "speech", "crowd", "road"),
)
"""Classes that are heard together."""

BACKGROUNDS = (
    *("while rain falls", "while it rains", "as rain patters on a roof", "in heavy rain", "during a thunderstorm"),
    *("while the wind blows", "as wind blows into the microphone", "in strong wind", "as leaves rustle in the breeze"),
    *("as traffic passes", "over the noise of traffic", "as cars drive by", "with traffic in the distance"),
    *("with music in the background", "while music plays", "over soft music", "as a radio plays", "while a TV is on"),
    *("while people talk", "as people talk in the background", "over the murmur of a crowd", "amid chatter"),
    *("as birds chirp", "while birds sing in the background", "as crickets chirp", "while insects buzz"),
    *("over the hum of an engine", "while an engine idles", "over a low hum", "as a machine hums", "over white noise"),
    *("as waves crash", "near running water", "while water runs", "as a stream flows by", "next to a waterfall"),
    *("while a crowd cheers", "as children play", "as a baby cries", "while a dog barks in the distance"),
    *(
        "as dishes clatter",
        "while footsteps pass",
        "while a clock ticks",
        "with an echo",
        "with a lot of reverberation",
    ),
    *("over background noise", "with static", "in a recording of poor quality", "in near silence", "in a quiet room"),
)
"""What is heard behind a sound."""

ABSENT = (
    *("speech", "voices", "music", "traffic", "thunder", "rain", "wind", "birds", "dogs", "footsteps", "laughter"),
    *("applause", "engine noise", "sirens", "background noise", "people", "cars", "insects", "alarms", "talking"),
    *("singing", "drums", "vocals", "bass", "water", "waves", "static", "echo", "human voices", "animals", "machines"),
    *("church bells", "crying", "shouting", "barking", "guitar", "piano", "bird song", "noise", "gunshots", "trains"),
)
"""What may be said to be missing."""
