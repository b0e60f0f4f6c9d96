"""What a text student must not have read to be tested on words that it has not met: ESC-50's names, and synonyms.

Single words stand for every caption that holds them, so that "a dog barks" is held out as "dog" is; simple plurals are
meant too.
"""

_WORDS = """
dog puppy hound bark barks barking barked woof, rooster cockerel cock-a-doodle-doo crow crows crowing, pig hog
swine oink oinking grunt grunts grunting, cow cattle calf moo moos mooing lowing, frog toad croak croaks
croaking, cat kitten kitty feline meow meows meowing mew purr purrs purring, hen chicken cluck clucks
clucking, insect bug fly flies bee buzz buzzes buzzing, sheep lamb ewe goat baa bleat bleats bleating, caw
caws cawing raven, rain rains raining rainy rainfall raindrop drizzle downpour, wave surf ocean sea seaside
seashore, fire campfire bonfire crackle crackles crackling flame, cricket cicada chirp chirps chirping
chirrup, bird birdsong tweet tweets tweeting songbird sparrow, droplet drip drips dripping, wind winds windy
breeze gust gale, pour pours pouring poured, toilet flush flushes flushing lavatory, thunder thunderstorm
lightning thunderclap, baby infant newborn cry cries crying weep weeping sob sobbing, sneeze sneezes sneezing
sneezed achoo, clap claps clapping applause, breath breathe breathes breathing breathed respiration, cough
coughs coughing coughed, footstep footfall walk walks walking tread, laugh laughs laughing laughter giggle
giggles giggling chuckle chuckling, toothbrush toothpaste brushing teeth tooth, snore snores snoring snored,
drink drinks drinking sip sips sipping gulp gulping slurp slurping, knock knocks knocking, mouse click clicks
clicking, keyboard type types typing typewriter keystroke, creak creaks creaking creaky squeaking hinge, can
tin opener, washer laundry washing, vacuum hoover, alarm alarms, tick ticks ticking tick-tock ticktock, glass
shatter shatters shattering smash smashing, helicopter chopper rotorcraft, chainsaw, siren ambulance, horn
horns honk honks honking beep beeping, engine motor, train locomotive railway railroad, bell bells church
chime chimes chiming, airplane aeroplane aircraft plane jet airliner, firework firecracker pyrotechnics, saw
saws sawing handsaw hacksaw
"""
NAMES_AND_SYNONYMS = tuple(dict.fromkeys(_WORDS.replace(",", " ").split()))
