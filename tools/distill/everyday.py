"""Writes everyday sentences from a small grammar of our own: chat turns, questions, notes.

It stands in for a dialogue corpus: the teacher's answer to a made-up sentence is as good a lesson as
its answer to a real one. Names, dates, relatives, plans, tastes, and agents' notes about projects are
what memories are made of and what dictionaries and manuals lack. Written without looking at any
evaluation text; the words come from lists below and from WordNet's common words.
"""

import random
import re

NAMES = """James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan
Joseph Jessica Thomas Sarah Charles Karen Christopher Lisa Daniel Nancy Matthew Betty Anthony Sandra Mark Margaret
Donald Ashley Steven Kimberly Andrew Emily Paul Donna Joshua Michelle Kenneth Carol Kevin Amanda Brian Melissa George
Deborah Timothy Stephanie Ronald Rebecca Jason Sharon Edward Laura Jeffrey Cynthia Ryan Dorothy Jacob Amy Gary Kathleen
Nicholas Angela Eric Shirley Jonathan Emma Stephen Brenda Larry Pamela Justin Nicole Scott Anna Brandon Samantha Benjamin
Katherine Samuel Christine Gregory Helen Alexander Debra Patrick Rachel Frank Carolyn Raymond Janet Jack Maria Dennis
Catherine Jerry Heather Tyler Diane Aaron Olivia Jose Julie Adam Joyce Nathan Victoria Henry Ruth Zachary Virginia
Douglas Lauren Peter Kelly Kyle Christina Noah Joan Ethan Evelyn Jeremy Judith Walter Andrea Christian Hannah Keith
Megan Austin Cheryl Roger Jacqueline Terry Martha Sean Madison Gerald Teresa Carl Gloria Dylan Sara Harold Janice
Jordan Ann Jesse Kathryn Bryan Abigail Lawrence Sophia Arthur Frances Gabriel Jean Bruce Alice Logan Judy Billy Isabella
Joe Julia Alan Grace Juan Amber Elijah Denise Willie Danielle Albert Marilyn Wayne Beverly Randy Charlotte Mason Natalie
Vincent Theresa Liam Diana Roy Brittany Bobby Kayla Caleb Alexis Bradley Lori Russell Lucas Mia Leo Priya Wei Ahmed
Fatima Hiroshi Yuki Carlos Ana Luis Elena Ivan Olga Omar Aisha Raj Chen Ling Kofi Ama Lars Ingrid Sven Pierre Chloe
Marco Giulia Hans Greta Tomas Eva Jan Zoe Max Lily Sam Alex Chris Kim Pat Ben Kate Tom Meg Dan Jen Nick Ellie""".split()
PLACES = """London Paris Berlin Madrid Rome Lisbon Vienna Prague Dublin Oslo Stockholm Helsinki Athens Istanbul Cairo
Nairobi Lagos Mumbai Delhi Bangkok Singapore Tokyo Kyoto Seoul Beijing Shanghai Sydney Melbourne Auckland Toronto Montreal
Vancouver Boston Chicago Seattle Portland Denver Austin Dallas Houston Miami Atlanta Philadelphia Detroit Hawaii Alaska
California Texas Florida Mexico Brazil Argentina Chile Peru Colombia Spain France Italy Germany Ireland Scotland Norway
Sweden Poland Greece Turkey Egypt Morocco India Japan China Korea Vietnam Thailand Canada Australia""".split()
MONTHS = "January February March April May June July August September October November December".split()
LISTS = {
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "number": "two three four five six seven eight nine ten eleven twelve fifteen twenty thirty fifty".split(),
    "relative": "mom dad mother father sister brother wife husband son daughter grandma grandpa grandmother grandfather aunt "
                "uncle cousin niece nephew partner girlfriend boyfriend friend best_friend roommate neighbor boss coworker "
                "colleague teacher coach therapist doctor kids parents family".split(),
    "pet": "dog cat puppy kitten hamster rabbit parrot turtle goldfish horse guinea_pig snake lizard".split(),
    "job": "nurse teacher engineer designer chef lawyer accountant writer journalist photographer carpenter electrician "
           "plumber mechanic pharmacist dentist scientist musician dancer actor architect programmer data_analyst "
           "firefighter police_officer social_worker librarian manager barista pilot farmer veterinarian psychologist".split(),
    "activity": "hiking camping swimming running jogging cycling surfing skiing snowboarding climbing fishing gardening "
                "painting drawing knitting sewing pottery photography cooking baking reading writing dancing singing yoga "
                "meditation chess gaming video_games board_games basketball soccer tennis golf baseball football volleyball "
                "martial_arts boxing weight_lifting kayaking sailing bird_watching stargazing woodworking traveling "
                "volunteering shopping journaling coding playing_the_guitar playing_the_piano playing_the_violin".split(),
    "food": "pizza pasta sushi tacos curry ramen salad soup steak chicken salmon shrimp tofu rice bread cheese eggs pancakes "
            "waffles chocolate ice_cream cake cookies apple_pie strawberries blueberries bananas coffee tea wine beer "
            "smoothies lasagna burgers fries sandwiches dumplings noodles roasted_vegetables peanut_butter".split(),
    "illness": "a_cold the_flu a_headache a_migraine back_pain a_broken_arm a_sprained_ankle a_fever asthma diabetes an_allergy "
               "a_cough a_toothache insomnia anxiety depression stress high_blood_pressure a_knee_injury".split(),
    "event": "wedding birthday_party funeral graduation concert festival conference job_interview baby_shower reunion "
             "anniversary picnic barbecue marathon charity_run art_show book_club parade workshop road_trip game_night "
             "dinner_party support_group doctor_appointment parent_teacher_meeting housewarming volunteer_day exhibition "
             "trade_fair theater_play movie_night dance_class yoga_class cooking_class hackathon".split(),
    "feeling": "happy sad excited nervous proud tired stressed grateful lonely worried scared relieved angry disappointed "
               "hopeful calm confused inspired overwhelmed embarrassed jealous bored curious surprised touched".split(),
    "thing": "car bike house apartment phone laptop camera guitar piano book novel painting dress jacket pair_of_shoes "
             "necklace ring watch couch desk lamp plant tent kayak ticket gift card letter photo video blog podcast recipe "
             "garden kitchen backpack suitcase drone telescope violin keyboard puzzle blanket mug bowl vase".split(),
    "place": "park beach lake mountains forest museum library gym cafe restaurant theater zoo aquarium mall market church "
             "school college hospital office airport train_station hotel farm countryside national_park bookstore bakery "
             "community_center animal_shelter studio stadium playground pool river desert island city_center".split(),
    "subject": "math history biology chemistry physics psychology art music literature philosophy economics law medicine "
               "nursing education computer_science engineering design journalism marketing statistics geography".split(),
    "tech": "Rust Python Java Go C++ JavaScript TypeScript SQL PostgreSQL SQLite MySQL Redis Docker Kubernetes Linux Windows "
            "macOS Android nginx Kafka GraphQL REST gRPC React Vue Django Flask Rails Node git GitHub GitLab Terraform Ansible "
            "AWS Azure Vim Emacs Firefox Chrome PyTorch NumPy pandas MongoDB Elasticsearch JSON YAML XML CSV".split(),
    "part": "parser scheduler cache database server client API endpoint login_page dashboard build_pipeline test_suite "
            "deployment migration backup config_file error_handler logger queue worker index search_feature payment_flow "
            "upload_form access_token password_reset email_service web_socket rate_limiter message_broker".split(),
    "fault": "crashes times_out leaks_memory returns_an_error is_slow fails_on_startup drops_messages deadlocks "
             "shows_a_blank_page loses_data rejects_valid_input uses_too_much_disk returns_stale_data".split(),
    "color": "red blue green yellow purple orange pink black white gray brown".split(),
    "genre": "fantasy mystery romance science_fiction horror comedy documentary biography history jazz rock classical "
             "country hip_hop pop folk blues".split(),
    "hi": ["Hey", "Hi", "Hello", "Oh", "Wow", "Thanks", "Yeah", "Well", "So", "Oh no", "Great", "Awesome", "Sure"],
    "who": ["I", "we", "she", "he", "they"],
    "when": ["yesterday", "today", "last week", "last month", "last year", "last {day}", "on {day}", "this morning",
             "last night", "in {month}", "{number} days ago", "{number} weeks ago", "{number} years ago", "the other day",
             "last summer", "last winter", "in {year}", "on {date}", "over the weekend", "recently", "when I was {number}"],
    "later": ["tomorrow", "next week", "next month", "next {day}", "in {month}", "this weekend", "next summer", "soon",
              "in {number} days", "on {date}", "next year", "tonight", "by the end of the year"],
}

TURNS = """I went {activity} with my {relative} {when}.|My {relative} {name} moved to {city} {when}.
We are going to {city} {later}!|I just got a new {thing} {when}, it is so {adj}.|{hi} {name}, how was the {event}?
{hi} {name}! How have you been?|I have been feeling {feeling} about the {event}.|My {relative} has {illness}.
We adopted a {pet} named {name} {when}.|I started {activity} {when} and I love it.|{name} works as a {job} in {city}.
I am thinking about becoming a {job}.|I lost my job as a {job} {when}.|My {relative} and I cooked {food} {when}.
I can't eat {food}, I am allergic.|My favorite food is {food}.|I love {genre} books, especially about {noun}.
We watched a {genre} movie about a {noun} {when}.|I am studying {subject} at college.|I signed up for a {event} {later}.
I have a {event} {later}, wish me luck!|That sounds {adj}! What made you choose {activity}?
What do you like most about {activity}?|Do you have any plans for {later}?|That is a {adj} {thing}, {name}!
I bought a {color} {thing} for my {relative}.|My {pet} loves the {place}.|We took the kids to the {place} {when}.
I painted a picture of a {noun} {when}.|I am so {feeling} that you came to the {event}.|I want to learn {activity}.
I ran a {number} mile race {when}.|My {relative} taught me {activity} when I was young.|I wrote a {thing} about {noun}.
We celebrated our anniversary at the {place} {when}.|I have been married for {number} years.|I have {number} children.
My {relative} was born in {city}.|I grew up in {city} and moved to {city2} {when}.|I got promoted {when}!
It reminds me of my {relative}.|I miss my {relative} a lot.|I hurt my knee {activity} {when}.
The doctor said that I have {illness}.|I made {food} for dinner.|I quit {activity} because of {illness}.
I am saving money to buy a {thing}.|I opened a small {noun} shop in {city} {when}.|I sold my {thing} {when}.
I volunteer at the {place} every {day}.|I usually go {activity} on {day}s.|The {noun} was {adj} and the {noun2} was {adj2}.
I believe in {noun}.|I dream of seeing the {noun} one day.|Thanks, {name}! Your support means a lot to me.
I can't wait for the {event}.|I am proud of you, {name}.|That must be hard. Take care of yourself.
I need to {verb} the {noun} before {day}.|Did you {verb} the {noun} yet?|I didn't {verb} it, it was too {adj}.
You should {verb} more {noun}.|Let's meet at the {place} {later}.|My {thing} broke {when}, so I have to fix it.
I found a {adj} {noun} at the {place}.|The {noun} from {city} arrived {when}.|{name} gave me a {adj} {noun}.
I am reading a book about {noun} and {noun2}.|We planted {noun} in the garden.|My {relative} plays the {noun} in a band.
I passed my {subject} exam!|I failed the {subject} test {when}.|I am working on a {subject} project about {noun}.
I got engaged {when}!|My {relative} passed away {when}.|We broke up {when}.|I am moving into a new {thing} {later}.""".replace("\n", "|").split("|")

QUESTIONS = """When did {name} go {activity}?|Where did {name} go {when}?|What did {name} buy {when}?
What is {name}'s job?|What does {name} do for a living?|Who is {name}'s {relative}?|What pets does {name} have?
What is the name of {name}'s {pet}?|How many children does {name} have?|Where does {name}'s {relative} live?
What food does {name} like?|Is {name} allergic to {food}?|What did {name} cook for the {event}?
When is {name}'s {event}?|When did {name} move to {city}?|Where did {name} move from?|Why did {name} quit {activity}?
What are {name}'s hobbies?|What instrument does {name} play?|What book is {name} reading?
What kind of music does {name} like?|How did {name} feel about the {event}?|What did {name} paint {when}?
What does {name} want to study?|Which city did {name} visit in {month}?|How long has {name} been married?
What did {name} give to {name2}?|What happened to {name}'s {thing}?|What illness does {name} have?
What do {name} and {name2} have in common?|What did {name} say about {noun}?|Would {name} enjoy {activity}?
What color is {name}'s {thing}?|How often does {name} go {activity}?|What are {name}'s plans for {later}?
What advice did {name} give about {noun}?|Who taught {name} {activity}?|How many times has {name} been to {city}?
Which {noun} did {name} {verb}?|When did {name} start {activity}?|What did {name} {verb} at the {place}?
What is {name}'s favorite {noun}?|What inspired {name} to become a {job}?|Has {name} ever been to {city}?""".replace("\n", "|").split("|")

NOTES = """The user prefers {tech} over {tech2}.|The user's name is {name} and works as a {job}.
The {part} {fault} when the {noun} is empty.|Fixed the bug where the {part} {fault}.|Use {tech} for the {part}.
The project is written in {tech} and uses {tech2}.|Deploy the {part} to {tech} on {day}s.|The {part} is on port {port}.
Decision: we chose {tech} because the {part} {fault}.|TODO: {verb} the {part} before {date}.
The {part} depends on {tech} version {digit}.{digit2}.|How do I {verb} the {part} in {tech}?|Why does the {part} {fault2}?
Remember to {verb} the {noun} every {day}.|The meeting with {name} is on {date}.|{name} owns the {part}.
The office is in {city}, near the {place}.|Parking space {port} at the {place}.|The user likes {food} and {activity}.
The user is allergic to {food}.|Never deploy on {day}.|The {noun} is stored in the {part}.
The customer asked for a {color} {noun}.|The invoice from {name} is due on {date}.|Backups run every {day} at {digit} am.
The {tech} {part} was migrated to {tech2} {when}.|The test for the {part} {fault} on {tech}.
Which database does the {part} use?|Who owns the {part}?|When is the {noun} due?|Where is the {noun} stored?
What did we decide about the {part}?|What does the user prefer for the {part}?""".replace("\n", "|").split("|")


def common_words(wordnet_text, vocabulary):
    """-> {"noun": [...], "verb": [...], "adj": [...]}: WordNet head words that are one word piece.

    The vocabulary is ordered by frequency; the first 12,000 pieces are the common words."""
    found = {"noun": [], "verb": [], "adj": []}
    common = set(vocabulary[1996:12000])
    for entry in re.split(r"\n(?=\S)", wordnet_text):
        word, _, body = entry.partition("\n")
        if word in common and len(word) > 2 and word.islower():
            for kind, mark in (("noun", "n"), ("verb", "v"), ("adj", "adj")):
                if re.match(rf"\s+{mark} 1:", body) or re.match(rf"\s+{mark}\s+\d", body):
                    found[kind].append(word)
    return found


def date(rng):
    """-> a date in one of the ways people write it."""
    day, month, year = rng.randint(1, 28), rng.choice(MONTHS), rng.randint(2015, 2027)
    return rng.choice([f"{day} {month} {year}", f"{month} {day}, {year}", f"{day} {month}", f"{month} {day}"])


def fill(template, rng, lists):
    """Replaces each {slot} until none is left; {slot2} is another draw of {slot}."""
    def draw(match):
        slot = match.group(1).rstrip("2") if match.group(1) != "fault2" else "fault2"
        if slot == "date":
            return date(rng)
        if slot == "year":
            return str(rng.randint(2005, 2027))
        if slot in ("port", "digit"):
            return str(rng.randint(1, 9999) if slot == "port" else rng.randint(0, 12))
        if slot == "fault2":
            return "keep failing"
        return rng.choice(lists[slot]).replace("_", " ")

    while "{" in template:
        template = re.sub(r"\{(\w+)\}", draw, template)
    return template


def sentence(rng, lists):
    """-> one turn, question or note; some turns carry speaker and date as stored memories do."""
    kind = rng.random()
    if kind < 0.2:
        return fill(rng.choice(QUESTIONS), rng, lists)
    if kind < 0.35:
        return fill(rng.choice(NOTES), rng, lists)
    text = " ".join(fill(rng.choice(TURNS), rng, lists) for _ in range(rng.choice((1, 1, 1, 2))))
    if rng.random() < 0.4:
        text = f"{rng.choice(NAMES)}: {text}"
    if rng.random() < 0.15:
        text = f"{text} {rng.randint(1, 28)} {rng.choice(MONTHS).lower()} {rng.randint(2015, 2027)}"
    return text[0].upper() + text[1:]


def sentences(count, seed, words):
    """Yields `count` sentences, the same ones for the same seed and words."""
    lists = dict(LISTS, name=NAMES, city=PLACES, month=MONTHS, **words)
    rng = random.Random(seed)
    for _ in range(count):
        yield sentence(rng, lists)
