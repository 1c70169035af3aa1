"""A first set of policies, so that a fresh installation can judge something. Supervisors publish their own versions."""

from django.db import migrations

POLICIES = [
    {
        "slug": "threats",
        "category": "STATEMENT_CATEGORY_VIOLENCE",
        "title": "Threats of violence",
        "text": "Nobody may threaten to hurt a person or call on others to do so.",
        "severity": "critical",
        "threshold": 0.6,
        "allowed_actions": ["remove_content", "suspend_author", "ban_author"],
        "terms": [
            r"\b(?:kill|hurt|murder|shoot|stab|beat(?: up)?|strangle)\b.{0,20}\b(?:you|him|her|them|your family)\b",
            r"\b(?:i|we)(?:'ll|’ll| will| am going to| are going to) (?:find you|burn|come for you|make you pay)\b",
            r"\b(?:ich|wir) (?:bringe?n?|mache?n?|schlage?n?) (?:dich|euch)\b.{0,20}\b(?:um|fertig|tot)\b",
            r"\b(?:te|os|los) (?:voy|vamos) a (?:matar|pegar|encontrar)\b",
        ],
    },
    {
        "slug": "hate",
        "category": "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
        "title": "Hate against groups",
        "text": "Nobody may attack or degrade people for who they are or are taken to be.",
        "severity": "high",
        "threshold": 0.6,
        "allowed_actions": ["remove_content", "suspend_author", "ban_author"],
        "terms": [
            r"\b(?:hate|despise|can't stand) (?:all )?(?:the )?(?:women|men|gays?|lesbians?|muslims?|jews?|christians?|"
            r"immigrants?|foreigners?|refugees?|blacks?|black people|whites?|asians?|trans people|disabled people)\b",
            r"\b(?:women|gays?|muslims?|jews?|immigrants?|foreigners?|refugees?|black people|trans people|"
            r"disabled people)\b.{0,30}\b(?:should (?:all )?(?:die|be killed|be deported|disappear)|are (?:all )?"
            r"(?:vermin|animals|scum|subhuman|disgusting))\b",
            r"\bgo back to (?:your (?:own )?country|where you came from)\b",
        ],
    },
    {
        "slug": "harassment",
        "category": "STATEMENT_CATEGORY_CYBER_VIOLENCE",
        "title": "Insults and harassment",
        "text": "Nobody may insult, bully or demean another person.",
        "severity": "medium",
        "threshold": 0.6,
        "allowed_actions": ["remove_content", "limit_visibility", "warn_author", "suspend_author"],
        "terms": [
            r"\b(?:idiots?|morons?|losers?|imbeciles?|pathetic|worthless|stupid|dumb)\b",
            r"\b(?:shut up|nobody likes you|get lost|you are a joke)\b",
            r"\b(?:dummkopf|trottel|vollidiot|halt die klappe)\b",
            r"\b(?:idiotas?|imb[eé]cil(?:es)?|est[uú]pid[oa]s?|c[aá]llate)\b",
        ],
    },
    {
        "slug": "self-harm",
        "category": "STATEMENT_CATEGORY_SELF_HARM",
        "title": "Self-harm",
        "text": "Posts that speak of hurting oneself need a human's care, and must not encourage it.",
        "severity": "high",
        "threshold": 0.6,
        "allowed_actions": ["limit_visibility", "age_gate", "label_content"],
        "terms": [
            r"\b(?:kill(?:ing)? myself|end(?:ing)? my life|suicide|self[- ]harm|hurt(?:ing)? myself)\b",
            r"\b(?:selbstmord|suizid|mich umbringen)\b",
            r"\b(?:suicidarme|suicidio|quitarme la vida)\b",
        ],
    },
    {
        "slug": "sexual",
        "category": "STATEMENT_CATEGORY_OTHER_VIOLATION_TC",
        "title": "Sexual content",
        "text": "Explicit sexual content stands behind an age gate or is removed.",
        "severity": "medium",
        "threshold": 0.6,
        "allowed_actions": ["age_gate", "remove_content", "label_content"],
        "terms": [r"\b(?:porn\w*|nudes?|xxx|sexting|nsfw|sex (?:video|chat|cam)s?)\b"],
    },
    {
        "slug": "private-data",
        "category": "STATEMENT_CATEGORY_DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
        "title": "Other people's private data",
        "text": "Nobody may publish another person's address, telephone number or papers.",
        "severity": "high",
        "threshold": 0.6,
        "allowed_actions": ["remove_content", "warn_author", "suspend_author"],
        "terms": [
            r"\b(?:home address|lives at|his address is|her address is|their address is|phone number is)\b",
            r"(?<!\w)\+\d[\d ()/-]{8,}\d\b",
        ],
    },
    {
        "slug": "spam",
        "category": "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
        "title": "Spam",
        "text": "No unasked advertising, bulk posts or links that sell.",
        "severity": "low",
        "threshold": 0.6,
        "allowed_actions": ["remove_content", "limit_visibility", "suspend_author"],
        "terms": [
            r"\b(?:buy|order|act|call) now\b",
            r"\bclick (?:here|this link|the link)\b",
            r"\b(?:free|easy|fast|quick) (?:money|cash|followers|gift cards?|iphones?)\b",
            r"\blimited(?:[- ]time)? offer\b",
            r"\bcheap (?:pills|meds|watches|loans?|followers)\b",
            r"\b(?:work from home and earn|earn \$?\d+ (?:a|per) (?:day|week)|100 ?% (?:free|guaranteed))\b",
            r"\b(?:jetzt kaufen|schnelles geld|gratis gewinnen)\b",
            r"\b(?:compra ahora|dinero f[aá]cil|haz clic aqu[ií])\b",
        ],
    },
    {
        "slug": "fraud",
        "category": "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
        "title": "Fraud and illegal goods",
        "text": "Nobody may cheat others out of money or data, or trade in illegal goods.",
        "severity": "high",
        "threshold": 0.6,
        "allowed_actions": ["remove_content", "ban_author", "suspend_author"],
        "terms": [
            r"\b(?:double your (?:money|bitcoin)|crypto giveaway|wire me|send me (?:money|bitcoin|gift cards?))\b",
            r"\b(?:verify|confirm) your (?:password|account|bank details)\b",
            r"\b(?:sell(?:ing)?|buy(?:ing)?) (?:weed|cocaine|drugs|guns?|fake ids?|stolen \w+|counterfeit \w+)\b",
        ],
    },
]


def add(apps, schema_editor):
    Policy = apps.get_model("moderation", "Policy")
    PolicyVersion = apps.get_model("moderation", "PolicyVersion")
    for fields in POLICIES:
        fields = dict(fields)
        policy, new = Policy.objects.get_or_create(slug=fields.pop("slug"))
        if new:
            PolicyVersion.objects.create(policy=policy, number=1, **fields)


class Migration(migrations.Migration):
    dependencies = [("moderation", "0003_checkpoints")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
